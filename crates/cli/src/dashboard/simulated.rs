//! What can be asked of the account of `crossfade local` alone: that something goes wrong.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::installed::Installed;
use crate::local::FAULT;
use crate::say::Problem;

/// How long the account may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Lets something go wrong. The account is on this machine and checks no signature: the request is written as it is, and goes nowhere
/// else.
pub(crate) async fn go_wrong(installed: &Installed, fault: &str) -> Result<String, Problem> {
    let here = |why: String| Problem::Here(format!("The simulated account did not take it: {why}."));
    let host = installed.simulated().and_then(|endpoint| endpoint.strip_prefix("http://"));
    let Some(host) = host.map(|host| host.trim_end_matches('/')) else {
        return Err(Problem::Usage("Faults are for the account of `crossfade local`, and this is a real one.".into()));
    };
    let body = json!({ "Name": FAULT, "Type": "String", "Overwrite": true, "Value": fault }).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.1\r\n\
         x-amz-target: AmazonSSM.PutParameter\r\ncontent-length: {}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=dashboard/20260101/{}/ssm/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len(),
        installed.region
    );
    let asking = async {
        let mut stream = TcpStream::connect(host).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(ANSWER, asking).await.map_err(|_| here("no answer came".into()))?;
    let answer = answer.map_err(|error| here(error.to_string()))?;
    match answer.split_whitespace().nth(1) {
        Some("200") => Ok(match fault {
            "none" => "From now on nothing more goes wrong.".into(),
            fault => format!("It goes wrong within a second: {fault}"),
        }),
        _ => Err(here(answer.lines().next().unwrap_or("it said nothing").to_owned())),
    }
}
