use super::super::read_text;

/// What is said of a text that cannot be read.
#[track_caller]
fn says(text: &str, said: &str) {
    let problems = read_text(text).expect_err(text);
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, [format!("the document: {said}")], "of\n{text}");
}

#[test]
fn wrong_indentation_names_the_line_and_the_one_that_it_should_stand_beside() {
    let apart = "what stands beside each other begins in the same column. Indent the two alike.";
    says(
        "service: shop\nstrategy:\n  blueGreenShift:\n     percents: [10, 100]\n    # a remark\n    approveAfterPercents: [10]\n",
        &format!(
            "line 6 (`approveAfterPercents: [10]`) is indented by 4 spaces, and line 4 (`percents: [10, 100]`) by 5 spaces: {apart}"
        ),
    );
    says(
        "strategy:\n  blueGreenShift:\n    percents: [10, 100]\n     approveAfterPercents: [10]\n",
        &format!(
            "line 4 (`approveAfterPercents: [10]`) is indented by 5 spaces, and line 3 (`percents: [10, 100]`) by 4 spaces: {apart}"
        ),
    );
    says(
        "strategy:\n  blueGreenShift:\n    percents:\n      - 10\n      - 100\n   approveAfterPercents: [10]\n",
        &format!(
            "line 6 (`approveAfterPercents: [10]`) is indented by 3 spaces, and line 3 (`percents:`) by 4 spaces: {apart}"
        ),
    );
    says(
        "service: shop\n environment: production\n",
        &format!(
            "line 2 (`environment: production`) is indented by 1 space, and line 1 (`service: shop`) not at all: {apart}"
        ),
    );
    says(
        " service: shop\nenvironment: production\n",
        &format!(
            "line 2 (`environment: production`) is indented not at all, and line 1 (`service: shop`) by 1 space: {apart}"
        ),
    );
    says(
        "stages:\n  - upscale: {percent: 100}\n - swap: {}\n",
        &format!(
            "line 3 (`- swap: {{}}`) is indented by 1 space, and line 2 (`- upscale: {{percent: 100}}`) by 2 spaces: {apart}"
        ),
    );
    says(
        "stages:\n  - swap: {}\n  downsize: {percent: 100}\n",
        "line 3 (`downsize: {percent: 100}`) stands in the column of the list above (line 2 (`- swap: {}`)) and does not begin with \
         `-`. Begin it with `- ` if it belongs to the list; otherwise indent it like the field that it stands beside.",
    );
    says(
        "service: shop\n- swap: {}\n",
        "line 2 (`- swap: {}`) begins a list beside the field of line 1 (`service: shop`). Indent it under the field that it belongs to, \
         or remove its `- `.",
    );
}

#[test]
fn a_tab_is_told_with_its_line() {
    let fix = "is indented with a tab, and YAML takes only spaces there. Write spaces in place of the tab.";
    says("service: shop\n\trouting: none\n", &format!("line 2 (`routing: none`) {fix}"));
    says("service: shop\nrouting:\n\tweighted: []\n", &format!("line 3 (`weighted: []`) {fix}"));
    says("routing:\n  a: 1\n \tb: 2\n", &format!("line 3 (`b: 2`) {fix}"));
    // Behind a colon it is a space.
    assert!(read_text("service:\tshop").is_ok());
}

#[test]
fn a_forgotten_colon_is_told_with_the_line_that_lacks_it() {
    let lacks = "has no colon behind the field's name";
    says("service: shop\nrouting\n  weighted: []\n", &format!("line 2 (`routing`) {lacks}. Write `routing:`."));
    says(
        "service: shop\nenvironment production\n\nrouting: none\n",
        &format!("line 2 (`environment production`) {lacks}. Write `environment: production`."),
    );
    says(
        "service shop\nenvironment: production\n",
        &format!("line 1 (`service shop`) {lacks}. Write `service: shop`."),
    );
    says("stages:\n  - swap\n    x: 1\n", &format!("line 2 (`- swap`) {lacks}. Write `swap:`."));
    says(
        "service:shop\nenvironment: production\n",
        "line 1 (`service:shop`) has no space behind its colon. Write `service: shop`.",
    );
    says(
        "{\"service\" \"shop\"}",
        "line 1 (`{\"service\" \"shop\"}`) has no colon behind a field's name. Write `:` between the name and its value.",
    );
}

#[test]
fn a_second_document_in_a_file_is_told_with_the_line_where_it_begins() {
    let fix = "begins a second document, and a file has one. Write each document into a file of its own, and remove that line.";
    says("service: shop\n---\nservice: mail\n", &format!("line 2 (`---`) {fix}"));
    says("# first\n---\nservice: shop\n--- # second\nservice: mail\n", &format!("line 4 (`--- # second`) {fix}"));
    says(
        "{\"service\": \"shop\"}\n{\"service\": \"mail\"}\n",
        "line 2 (`{\"service\": \"mail\"}`) goes on after the end of the document. Remove that, or the bracket before it that closes \
         too early.",
    );
    assert!(read_text("---\nservice: shop\n").is_ok());
}

#[test]
fn brackets_commas_and_quotes_are_told_with_the_line_that_lacks_them() {
    says(
        "percents: [10, 50\nx: 1\n",
        "line 1 (`percents: [10, 50`) has a `[` that is not closed before line 2 (`x: 1`), and no comma stands there. Write `]` where it \
         ends, or `,` between two entries.",
    );
    says(
        "a: 1\nb: {x: 1\n   y: 2}\n",
        "line 2 (`b: {x: 1`) has a `{` that is not closed before line 3 (`y: 2}`), and no comma stands there. Write `}` where it ends, \
         or `,` between two entries.",
    );
    says(
        "hosts: [\"a\" \"b\"]\n",
        "line 1 (`hosts: [\"a\" \"b\"]`) has a `[` that is not closed, or no comma between what stands in it. Write `]` at its end, and `,` \
         between two entries.",
    );
    let never = "that is never closed. Write";
    says("percents: [10, 50\n", &format!("line 1 (`percents: [10, 50`) has a `[` {never} `]` where it ends."));
    says("a: 1\nb: [\n", &format!("line 2 (`b: [`) has a `[` {never} `]` where it ends."));
    says("a: \"x\nb: 1\n", "line 1 (`a: \"x`) has a text without its closing quote. Close it with `\"`.");
    says("a: 'x\nb: 1\n", "line 1 (`a: 'x`) has a text without its closing quote. Close it with `'`.");
    says("{\"a\": 1\n \"b\": 2}", "line 1 (`{\"a\": 1`) has no comma at its end. Write `,` there.");
    says(
        "{\"a\": [\"x\" \"y\"]}",
        "line 1 (`{\"a\": [\"x\" \"y\"]}`) has no comma before `\"y\"]}`. Write `,` between the two.",
    );
    says(
        "{\"a\": [1, 2}",
        "line 1 (`{\"a\": [1, 2}`) has `}` where `]` has to come first. Write `]` before it, or remove it.",
    );
    says(
        "{\"a\": {\"b\": 1,\n \"c\": 2\n",
        "line 1 (`{\"a\": {\"b\": 1,`) has a `{` that is never closed. Write `}` where it ends.",
    );
}

#[test]
fn values_that_yaml_takes_for_something_else_are_to_be_quoted() {
    says(
        "message: Release: the new\n",
        "line 1 (`message: Release: the new`) has a second colon, which makes its value look like another field. Put the value into \
         quotes: `message: \"Release: the new\"`.",
    );
    says(
        "service: @shop\n",
        "line 1 (`service: @shop`) has a value that begins with `@`, and YAML has another use for that. Put the whole value into \
         quotes.",
    );
    says(
        "service: *shop\n",
        "line 1 (`service: *shop`) has a value that begins with `*`, which means an anchor, and there is none of that name. Put the \
         whole value into quotes.",
    );
    says(
        "service: \"shop\" and more\n",
        "line 1 (`service: \"shop\" and more`) has something behind its value: `and more`. Remove it, or put the whole value into \
         quotes.",
    );
    says(
        "percents: - 10\n",
        "line 1 (`percents: - 10`) has a list in the line of its field. Begin the list in the next line, or write it in brackets: `[…, \
         …]`.",
    );
    says(
        "message: \"\\q\"\n",
        "line 1 (`message: \"\\q\"`) has a backslash in quotes that is no escape of YAML. Write `\\\\` for a backslash.",
    );
}

#[test]
fn what_no_sentence_is_known_for_is_told_in_the_readers_words_with_the_line() {
    let problem = read_text("service: shop\nx: \u{7}\n").expect_err("a bell").remove(0);
    assert!(problem.to_string().starts_with("the document: it is neither YAML nor JSON"), "{problem}");
}
