//! What is seen in a real terminal: tmux, at sizes that change while something is shown.

mod built;
mod local;

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossfade_tests::shown::hold_but_for;
use local::{Local, crossfade, finished, patiently, text};

/// A terminal with a command in it.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// One of so many columns and rows, whose environment is that of `base`.
    fn open(base: Command, (columns, rows): (u32, u32), command: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let socket = format!("crossfade-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut tmux = base;
        // What has ended is looked at, too.
        let line = format!("trap : INT; {command}; echo \"rc=$?\"; cat");
        tmux.args(["-u", "-L", &socket, "-f", "/dev/null", "new-session", "-d"]);
        tmux.args(["-x", &columns.to_string(), "-y", &rows.to_string(), "sh", "-c", &line]);
        for forced in ["NO_COLOR", "TMUX"] {
            tmux.env_remove(forced);
        }
        let output = finished(&mut tmux);
        assert!(output.status.success(), "tmux: {}", text(&output.stderr));
        Self { socket }
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = finished(Command::new("tmux").args(["-u", "-L", &self.socket]).args(arguments));
        assert!(output.status.success(), "tmux {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// What is seen, row by row, without the empty ones at the end.
    fn rows(&self) -> Vec<String> {
        let shown = self.tmux(&["capture-pane", "-p"]);
        shown.trim_end().lines().map(|row| row.trim_end().to_owned()).collect()
    }

    fn resize(&self, columns: u32, rows: u32) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Types a line.
    fn enter(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// Whether it is as it was before something was drawn: its own screen, with a cursor.
    fn own_screen(&self) -> bool {
        self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]).trim() == "0 1"
    }

    /// What is seen once it is as wanted.
    #[track_caller]
    fn shows(&self, wanted: impl Fn(&str) -> bool) -> String {
        patiently(|| Some(self.rows().join("\n")).filter(|shown| wanted(shown)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

/// tmux, or what to do.
fn tmux() -> Command {
    let there = Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success());
    assert!(there, "This test looks at the command in tmux. On Debian: apt-get install tmux");
    Command::new("tmux")
}

/// The demo, with these options, in a terminal of this size.
fn demo(size: (u32, u32), options: &str) -> Terminal {
    let program = crossfade().get_program().to_string_lossy().into_owned();
    Terminal::open(tmux(), size, &format!("{program} demo {options}"))
}

/// That each of these is seen, and on one row where they belong together.
#[track_caller]
fn together(shown: &str, parts: &[&str]) {
    let row = shown.lines().find(|row| parts.iter().all(|part| row.contains(part)));
    assert!(row.is_some(), "{parts:?} do not stand on one row:\n{shown}");
}

#[test]
fn the_demo_fits_a_terminal_of_any_size_and_is_left_as_it_ended() {
    for (size, folded) in [((120, 40), false), ((80, 24), false), ((60, 24), false), ((60, 12), true), ((40, 12), true)]
    {
        let terminal = demo(size, "");
        let asked = terminal.shows(|shown| shown.contains("[y/n]"));
        together(&asked, &["5 ? Approve", "shop__7"]);
        together(&asked, &["old shop__6", " 90 %", "4/4 healthy"]);
        together(&asked, &["new shop__7", " 10 %", "4/4 healthy"]);
        together(&asked, &["requests served, 0 lost"]);
        assert_eq!(asked.contains("stages done"), folded, "{size:?}:\n{asked}");
        if size.0 >= 80 {
            together(&asked, &["5 ? Approve", " left, then REJECTED"]);
        }
        terminal.press("y");
        terminal.press("Enter");
        let end = terminal.shows(|shown| shown.contains("rc="));
        assert!(end.contains("rc=0") && end.contains("0 lost"), "{size:?}:\n{end}");
        if size.1 >= 40 {
            for part in ["10 ✓ Prune to the last 3", "new shop__7 ", "Succeeded after "] {
                assert_eq!(end.matches(part).count(), 1, "{size:?}: {part} once:\n{end}");
            }
        }
    }
}

#[test]
fn the_readme_shows_what_the_demo_draws_at_a_terminal() {
    let terminal = demo((80, 40), "");
    let asked = terminal.shows(|shown| shown.contains("[y/n]"));
    terminal.press("y");
    terminal.press("Enter");
    let end = terminal.shows(|shown| shown.contains("rc=0"));
    let (_, end) = end.split_once("Succeeded after ").expect("it succeeds");
    let (end, _) = end.split_once("\nrc=0").expect("and ends");
    let told = format!("{} y\n…\nSucceeded after {end}", asked.trim_end());
    // How fast this machine is, nobody has to know.
    hold_but_for("README.md", "the demo", &told, |text| {
        let lines = text.lines().map(|line| match line.split_once(" of simulated time, ") {
            Some((simulated, _)) => simulated,
            None => line,
        });
        lines.map(|line| format!("{line}\n")).collect()
    });
}

#[test]
fn a_terminal_that_changes_its_size_shows_each_row_once() {
    let terminal = demo((120, 40), "");
    terminal.shows(|shown| shown.contains("[y/n]"));
    terminal.resize(60, 30);
    terminal.resize(100, 40);
    terminal.press("y");
    terminal.press("Enter");
    let end = terminal.shows(|shown| shown.contains("rc=0"));
    for part in ["Set up shop__7", "Downsize shop__6 to 0", "\nold shop__6 ", "requests served, 0 lost"] {
        assert_eq!(end.matches(part).count(), 1, "{part} once:\n{end}");
    }
}

#[test]
fn no_answer_is_a_no_and_leaves_the_terminal_in_order() {
    let terminal = demo((100, 40), "");
    terminal.shows(|shown| shown.contains("[y/n]"));
    terminal.press("C-d");
    let end = terminal.shows(|shown| shown.contains("rc="));
    assert!(end.contains("FailedClean after ") && end.contains("every resource is as it was"), "{end}");
    together(&end, &["5 ✗ Approve shop__7 at 10 %", "0:2"]);
    assert!(end.contains("ApprovalRejected: ") && end.contains(" R1 ✓ "), "why, and the way back:\n{end}");
    assert!(!end.contains("[y/n]"), "{end}");

    // Whoever leaves gets their terminal back.
    let terminal = demo((100, 40), "");
    terminal.shows(|shown| shown.contains("[y/n]"));
    terminal.press("C-c");
    let left = terminal.shows(|shown| shown.contains("rc=130"));
    assert!(left.starts_with("Deploying ami-") && !left.contains("[y/n]"), "{left}");
    assert_eq!(terminal.tmux(&["display-message", "-p", "#{cursor_flag}"]).trim(), "1");
}

#[test]
fn ctrl_c_at_a_question_ends_its_line_and_says_that_nothing_was_done() {
    let asked = |terminal: &Terminal, says: &str, question: &str| {
        terminal.shows(|shown| shown.contains(&format!("{question} [y/n]")));
        terminal.press("C-c");
        let left = terminal.shows(|shown| shown.contains("rc="));
        let rows: Vec<&str> = left.lines().collect();
        assert!(rows.contains(&"rc=130"), "{left}");
        assert!(rows.contains(&says), "on a row of its own: {left}");
    };
    // Where nothing is drawn, and where something is.
    let nothing = "Nothing was done: all of it was simulated.";
    asked(&demo((80, 24), "--seed 2"), nothing, "Go on?");
    let program = crossfade().get_program().to_string_lossy().into_owned();
    let plain = Terminal::open(tmux(), (80, 24), &format!("TERM=dumb {program} demo"));
    asked(&plain, nothing, "Go on?");

    let local = Local::start();
    let deploy = format!("{program} deploy examples/blue-green-shift.yaml --name left");
    let at = |command: &str| Terminal::open(local.reached_by(tmux()), (100, 60), command);
    asked(&at(&deploy), "error: Nothing was started.", "Start it?");
    assert_eq!(local.does(&["list"]), "There is no deployment.\n");
    local.does(&["deploy", "examples/blue-green-shift.yaml", "--name", "asks", "--yes"]);
    local.status("asks", |status| status["question"]["stage"] == 5);
    asked(&at(&format!("{program} approve asks")), "error: Nothing was decided.", "Approve stage 5?");
    assert_eq!(local.status("asks", |_| true)["question"]["stage"], 5);
}

#[test]
fn what_failed_says_when_and_why() {
    let terminal = demo((100, 40), "--yes --fail unhealthy");
    let end = terminal.shows(|shown| shown.contains("rc="));
    together(&end, &["3 ✗ Upscale shop__7 to 4", ":"]);
    let failed = end.lines().position(|row| row.contains("3 ✗ Upscale shop__7 to 4")).expect("it is there");
    let why = end.lines().nth(failed + 1).unwrap_or_default();
    assert!(why.contains("SteadyStateTimeout: ") || why.contains("LaunchFailed: "), "{end}");
    assert!(end.contains("rc=0") && end.contains("FailedClean after "), "{end}");
}

#[test]
fn where_nothing_can_be_drawn_it_is_told_line_by_line() {
    for (size, term) in [((80, 24), "TERM=dumb"), ((30, 24), "TERM=xterm"), ((80, 8), "TERM=xterm")] {
        let program = crossfade().get_program().to_string_lossy().into_owned();
        let told = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("told-{}-{}", size.0, size.1));
        let line = format!("{term} script --quiet --return --command '{program} demo --yes' {}", told.display());
        let terminal = Terminal::open(tmux(), size, &line);
        terminal.shows(|shown| shown.contains("rc=0"));
        let told = text(&std::fs::read(&told).expect("it was written"));
        for part in ["✓ Set up shop__7", "✓ Prune to the last 3", "operator: approved"] {
            assert!(told.contains(part), "{term} {size:?}: {part} is missing in\n{told}");
        }
        assert!(!told.contains("\u{1b}[?1049h") && !told.contains("\u{1b}[H"), "{term} {size:?}: {told:?}");
    }
}

/// An account with a deployment that asks.
fn asking() -> Local {
    let local = Local::start();
    local.does(&["deploy", "examples/blue-green-shift.yaml", "--name", "shop-42"]);
    local.status("shop-42", |status| status["question"]["stage"] == 5);
    local
}

#[test]
fn what_is_printed_is_no_wider_than_the_terminal_and_tears_no_word() {
    let local = asking();
    let program = crossfade().get_program().to_string_lossy().into_owned();
    for columns in [60, 80, 120] {
        for command in
            ["status", "list", "revisions", "plan examples/workers.yaml", "retry shop-42", "watch --until approval"]
        {
            // As tall as anything that is printed.
            let terminal =
                Terminal::open(local.reached_by(tmux()), (columns, 120), &format!("TERM=dumb {program} {command}"));
            terminal.shows(|shown| shown.contains("rc="));
            // Rows that the terminal had to break are joined, and so are wider than it.
            let joined = terminal.tmux(&["capture-pane", "-p", "-J"]);
            for row in joined.lines().map(str::trim_end) {
                let whole = row.contains("arn:") || row.trim_start().starts_with("crossfade ");
                assert!(
                    whole || row.chars().count() <= columns as usize,
                    "{command} at {columns}: {row:?} in\n{joined}"
                );
            }
        }
    }
    let terminal = Terminal::open(local.reached_by(tmux()), (60, 60), &format!("{program} status"));
    let status = terminal.shows(|shown| shown.contains("rc=0"));
    let asks = "? Approve shop__7 at 10 %: 10 % of the traffic is on the new\n  version. Go on?\n";
    let words = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(status.contains(asks) && words.contains(" left) it counts as REJECTED, and"), "{status}");
    let terminal = Terminal::open(local.reached_by(tmux()), (60, 60), &format!("{program} list"));
    let list = terminal.shows(|shown| shown.contains("rc=0"));
    let two =
        "shop-42  ? asks at stage 5: Approve shop__7 at 10 %\n    shop/production/shop-base  ami-0a11ce00000000007  ";
    assert!(list.contains(two) && list.contains("  by local"), "{list}");
}

#[test]
fn a_deployment_that_is_watched_is_drawn_anew_when_the_terminal_changes() {
    let local = asking();
    let program = crossfade().get_program().to_string_lossy().into_owned();
    let base = local.reached_by(tmux());
    let terminal = Terminal::open(base, (80, 24), &format!("{program} watch shop-42"));
    let at_80 = terminal.shows(|shown| shown.contains("crossfade approve shop-42 --stage 5"));
    together(&at_80, &["5 ? Approve shop__7 at 10 %", " left, then REJECTED"]);
    terminal.resize(120, 40);
    let at_120 = terminal.shows(|shown| shown.contains("1 ✓ Set up shop__7") && shown.contains("[q]uit, it goes on"));
    together(&at_120, &["old shop__6", " 90 %", "4/4 healthy"]);
    assert_eq!(at_120.matches("Set up shop__7").count(), 1, "nothing of the smaller one is left:\n{at_120}");
    terminal.resize(60, 16);
    let at_60 = terminal.shows(|shown| shown.contains("✓ 4 stages done") && shown.contains("stages to come"));
    together(&at_60, &["old shop__6", " 90 %", "4/4 healthy"]);
    assert!(at_60.ends_with("[a]pprove 5 [r]eject a[b]ort [l]og [i]nstances [p]lan [q]uit"), "{at_60}");
    // Smaller than anything that it was made for.
    terminal.resize(30, 6);
    terminal.shows(|shown| shown.lines().count() <= 6 && shown.contains("shop-42"));
    terminal.resize(80, 24);
    terminal.shows(|shown| shown.contains("[q]uit") && shown.contains("crossfade reject shop-42 --stage 5"));
    terminal.press("C-c");
    // Where the terminal is told late that it is wide again, the sentence takes two rows.
    let left = terminal.shows(|shown| shown.contains("rc=130"));
    let words: Vec<&str> = left.split_whitespace().collect();
    assert!(words.join(" ").contains("shop-42 goes on. Follow it: crossfade watch shop-42"), "{left}");
}

/// What a shell prints of the terminal's mode: whether lines are read as a whole, and what is typed is shown.
const MODE: &str = "stty -a | tr ' ;' '\\n\\n' | grep -E '^-?(icanon|echo)$' | xargs echo mode";

#[test]
fn a_key_does_nothing_before_somebody_has_confirmed_what_will_happen() {
    let local = asking();
    let program = crossfade().get_program().to_string_lossy().into_owned();
    for size in [(60, 16), (80, 24), (120, 40)] {
        let command = format!("{program} watch shop-42; echo left=$?; {MODE}");
        let terminal = Terminal::open(local.reached_by(tmux()), size, &command);
        terminal.shows(|shown| shown.contains("[a]pprove 5") && shown.contains("[q]uit"));
        terminal.press("a");
        let asked = terminal.shows(|shown| shown.contains("[y]es  [n]o"));
        for part in ["Approve stage 5 of shop-42?", "6. Shift 50 % to shop__7"] {
            assert!(asked.contains(part), "{size:?}: {part}:\n{asked}");
        }
        terminal.press("n");
        terminal.shows(|shown| shown.contains("! Nothing was done.") && shown.contains("[a]pprove 5"));
        terminal.press("i");
        let members = terminal.shows(|shown| shown.contains("✓ i-"));
        assert!(members.contains("healthy") && members.contains("[q]uit"), "{size:?}:\n{members}");
        terminal.resize(70, 20);
        terminal.press("l");
        terminal.shows(|shown| shown.contains("Weights are shop-a 90 : shop-b 10") && !shown.contains("✓ i-"));
        terminal.press("p");
        terminal.shows(|shown| shown.contains("10 · Prune to the last 3"));
        terminal.press("Escape");
        terminal.press("q");
        let left = terminal.shows(|shown| shown.contains("mode "));
        for part in ["shop-42 goes on. Follow it: crossfade watch shop-42", "left=130", "mode icanon echo"] {
            assert!(left.contains(part), "{size:?}: {part}:\n{left}");
        }
        assert!(terminal.own_screen() && !left.contains("[q]uit"), "{size:?}:\n{left}");
    }
    assert_eq!(local.status("shop-42", |_| true)["question"]["stage"], 5, "nothing was decided");

    let terminal = Terminal::open(local.reached_by(tmux()), (100, 60), &format!("{program} watch shop-42"));
    terminal.shows(|shown| shown.contains("[a]pprove 5"));
    terminal.press("a");
    terminal.shows(|shown| shown.contains("[y]es  [n]o"));
    terminal.press("y");
    // The rest may be over before anybody has looked: the account's time runs fast.
    let over = |shown: &str| shown.contains("rc=0");
    terminal.shows(|shown| shown.contains("Approved: Approve shop__7 at 10 % (stage 5)") || over(shown));
    // What is void has no brackets.
    terminal.shows(|shown| shown.contains("approve  reject") || over(shown));
    terminal.press("r");
    terminal.shows(|shown| shown.contains("! Nothing is asked now. Approved by ") || over(shown));
    let end = terminal.shows(|shown| shown.contains("rc=0"));
    assert!(end.contains("✓ succeeded in "), "{end}");
    let status = local.status("shop-42", |status| status["status"] == "succeeded");
    assert_eq!(status["approvals"][0]["decision"], "approve", "{status:#}");
}

#[test]
fn whatever_ends_or_stops_a_screen_gives_the_terminal_back() {
    let local = asking();
    let program = crossfade().get_program().to_string_lossy().into_owned();
    let shell = || Terminal::open(local.reached_by(tmux()), (80, 24), "PS1='> ' bash --norc --noprofile -i");
    let terminal = shell();
    terminal.shows(|shown| shown.starts_with('>'));
    terminal.enter(&format!("{program} watch shop-42"));
    terminal.shows(|shown| shown.contains("[a]pprove 5"));
    terminal.press("C-z");
    let stopped = terminal.shows(|shown| shown.contains("Stopped"));
    assert!(terminal.own_screen() && !stopped.contains("[a]pprove"), "{stopped}");
    terminal.enter(MODE);
    terminal.shows(|shown| shown.contains("mode icanon echo") || shown.contains("mode -icanon"));
    terminal.enter("fg");
    terminal.shows(|shown| shown.contains("[a]pprove 5") && shown.contains("5 ? Approve shop__7"));
    terminal.press("i");
    terminal.shows(|shown| shown.contains("✓ i-"));
    terminal.press("C-c");
    terminal.shows(|shown| shown.contains("shop-42 goes on."));
    assert!(terminal.own_screen());

    let command = format!("timeout --foreground 6 {program} watch shop-42; {MODE}");
    let terminal = Terminal::open(local.reached_by(tmux()), (80, 24), &command);
    terminal.shows(|shown| shown.contains("[a]pprove 5"));
    let ended = terminal.shows(|shown| shown.contains("mode "));
    assert!(ended.contains("shop-42 goes on.") && ended.contains("mode icanon echo"), "{ended}");
    assert!(terminal.own_screen());
}

/// A shell, or what to do.
fn shell(name: &str) -> &str {
    let there = Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(there, "This test types in {name}. On Debian: apt-get install {name}");
    name
}

#[test]
fn shells_complete_ids_stages_and_revisions_that_are_there() {
    let local = asking();
    let program = crossfade().get_program().to_string_lossy().into_owned();
    let folder = std::path::Path::new(&program).parent().map(|it| it.display().to_string()).unwrap_or_default();
    let path = format!("PATH={folder}:$PATH");
    for (name, start, load) in [
        ("bash", "--norc --noprofile -i", "source <(crossfade completions bash)"),
        ("zsh", "-f -i", "autoload -U compinit && compinit -u -D && source <(crossfade completions zsh)"),
        // What it asks with by itself depends on who is signed in.
        (
            "fish",
            r#"--no-config -i -C "function fish_prompt; printf '> '; end""#,
            "crossfade completions fish | source",
        ),
    ] {
        let shell = shell(name);
        let terminal = Terminal::open(local.reached_by(tmux()), (100, 30), &format!("{path} PS1='> ' {shell} {start}"));
        terminal.shows(|shown| shown.contains('>'));
        terminal.enter(load);
        terminal.enter("echo re''ady");
        terminal.shows(|shown| shown.contains("\nready"));
        for (typed, completed) in [
            ("crossfade stat", "crossfade status"),
            ("crossfade status sho", "crossfade status shop-42"),
            ("crossfade approve shop-42 --stage ", "crossfade approve shop-42 --stage 5"),
        ] {
            terminal.press("C-u");
            terminal.tmux(&["send-keys", "-l", typed]);
            terminal.press("Tab");
            terminal.shows(|shown| shown.lines().last().is_some_and(|last| last.contains(completed)));
        }
        terminal.press("C-u");
    }
}

#[test]
fn a_shell_that_asks_hears_what_is_there_or_nothing_and_never_waits_long() {
    let offered = |mut command: Command, words: &[&str]| {
        command.env("CROSSFADE_COMPLETE", "bash").env("_CLAP_IFS", "\n");
        command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
        let began = std::time::Instant::now();
        let output = finished(command.arg("--").args(words));
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{words:?} took {:?}", began.elapsed());
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{words:?}");
        text(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let local = asking();
    let there = |words: &[&str]| offered(local.reached_by(crossfade()), words);
    assert_eq!(there(&["crossfade", "status", "s"]), ["shop-42"]);
    assert_eq!(there(&["crossfade", "reject", "shop-42", "--stage", ""]), ["5"]);
    assert_eq!(there(&["crossfade", "rollback", "shop-42", "--to", ""]), ["5", "4", "3", "2"]);
    assert_eq!(there(&["crossfade", "freeze", "p"]), ["production"]);
    assert_eq!(there(&["crossfade", "revisions", "shop"]), ["shop/production/shop-base"]);
    assert!(there(&["crossfade", "deploy", "examples/blue-green-shift.y"]).concat().ends_with("blue-green-shift.yaml"));
    local.does(&["reject", "shop-42", "--stage", "5"]);
    local.status("shop-42", |status| status["status"] == "failedClean");
    assert_eq!(there(&["crossfade", "retry", "s"]), ["shop-42"], "what is over can be retried");
    assert!(!there(&["crossfade", "approve", ""]).contains(&"shop-42".to_owned()), "and not be approved");
    // Nobody listens, nobody is signed in, nobody answers: not a word.
    let mut down = local.reached_by(crossfade());
    down.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    assert_eq!(offered(down, &["crossfade", "status", "s"]), Vec::<String>::new());
    let mut nobody = local.reached_by(crossfade());
    nobody.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    assert_eq!(offered(nobody, &["crossfade", "status", "s"]), Vec::<String>::new());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let mut mute = local.reached_by(crossfade());
    mute.env("AWS_ENDPOINT_URL", format!("http://{}", silent.local_addr().expect("it has one")));
    assert_eq!(offered(mute, &["crossfade", "status", "s"]), Vec::<String>::new());
}
