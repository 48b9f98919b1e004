//! Profiles that have their credentials from somewhere else: from IAM Identity Center (`aws sso login`) and from a program
//! (`credential_process`). Most people who deploy have no other.

mod built;
mod local;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use local::{Local, crossfade, finished, text};
use serde_json::json;

/// The name under which the token of the session `corp` is cached: its SHA-1 (SDK reference guide, "IAM Identity Center token provider").
const TOKEN_OF_CORP: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";

/// A home with these profiles, and a token of the session `corp` that is good until then.
fn home(name: &str, until: &str) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let cache = home.join(".aws/sso/cache");
    fs::create_dir_all(&cache).expect("cargo gives tests a directory");
    let keys = json!({ "Version": 1, "AccessKeyId": "PROCESSKEY", "SecretAccessKey": "x" });
    fs::write(home.join("keys.json"), keys.to_string()).expect("a file");
    let config = format!(
        "[profile person]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Deployer\n\n[sso-session corp]\n\
         sso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n\n[profile program]\ncredential_process = cat {}\n",
        home.join("keys.json").display()
    );
    fs::write(home.join(".aws/config"), config).expect("a file");
    let token = json!({
        "startUrl": "https://corp.awsapps.com/start",
        "region": "eu-west-1",
        "accessToken": "a-token",
        "expiresAt": until,
    });
    fs::write(cache.join(TOKEN_OF_CORP), token.to_string()).expect("a file");
    home
}

/// The portal of IAM Identity Center, which gives everybody the same credentials; and where it listens.
fn portal() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it listens"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            let mut asked = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
                asked.push_str(&std::mem::take(&mut line));
            }
            let asks = asked.starts_with("GET /federation/credentials?") && asked.contains("role_name=Deployer");
            assert!(asks && asked.contains("a-token"), "{asked}");
            let keys = json!({ "roleCredentials": {
                "accessKeyId": "SSOKEY", "secretAccessKey": "x", "sessionToken": "y", "expiration": 4_102_444_800_000_u64,
            } });
            let body = keys.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn whoever_signs_in_with_identity_center_or_a_program_is_signed_in() {
    let local = Local::start();
    let (home, portal) = (home("signed-in", "2099-12-31T00:00:00Z"), portal());
    let example = "examples/blue-green-shift.yaml";
    for (profile, key) in [("person", "SSOKEY"), ("program", "PROCESSKEY")] {
        // By the option, although keys stand in the environment, and by the variable, when none do.
        for by_option in [true, false] {
            let mut command = local.reached_by(crossfade());
            command
                .env("HOME", &home)
                .env("AWS_CONFIG_FILE", home.join(".aws/config"))
                .env("AWS_ENDPOINT_URL_SSO", &portal);
            if by_option {
                command.args(["--profile", profile]);
            } else {
                command.env("AWS_PROFILE", profile).env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
            }
            let plan = finished(command.args(["plan", example]));
            let told = text(&plan.stderr);
            assert_eq!(plan.status.code(), Some(0), "{profile}: {told}");
            assert_eq!(told, format!("account 123456789012, eu-west-1, as user/{key}\n"), "{profile}");
        }
    }
}

#[test]
fn a_sign_in_that_is_over_is_called_that() {
    let local = Local::start();
    let home = home("signed-out", "2020-01-01T00:00:00Z");
    let mut command = local.reached_by(crossfade());
    command.env("HOME", &home).env("AWS_CONFIG_FILE", home.join(".aws/config"));
    let status = finished(command.args(["--profile", "person", "status", "shop-1"]));
    let told = text(&status.stderr);
    assert_eq!(status.status.code(), Some(4), "{told}");
    assert!(told.contains("`aws sso login --profile person`"), "{told}");
}
