//! The way to a host, a line for each place.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use hobnob::endpoint::Endpoint;
use hobnob::error::Result;
use hobnob::ping::{Hop, Trace, TraceAnswer};
use hobnob::streams;

use super::show::time;
use crate::calling::Explainer;
use crate::job::Job;
use crate::process::output_failed;
use crate::process::signals::Signals;
use crate::report::json::Json;
use crate::report::show::safe;

/// Nothing has come back.
pub(super) const NO_ANSWER: u8 = 1;

pub(super) async fn run(
    job: &Job,
    endpoint: &Endpoint,
    mut trace: Trace,
    calls: &mut Option<Explainer>,
    mut signals: Signals,
) -> Result<u8> {
    let mut json = job.is_on("json").then(|| Json::new(job.clock));
    let (mut places, mut has_arrived) = (0, false);
    if json.is_none() && !job.is_on("quiet") {
        let heading = format!("the way to {}\n", safe(&endpoint.to_string()));
        if let Some(code) = write(heading.as_bytes())? {
            return Ok(code);
        }
    }
    let asked = loop {
        let hop = match signals.unless_asked(trace.next()).await {
            Ok(hop) => hop?,
            Err(by) => break Some(by),
        };
        let Some(hop) = hop else { break None };
        places = hop.number;
        has_arrived |= hop.answers.iter().any(|one| matches!(one, TraceAnswer::Arrived { .. }));
        let mut out = Vec::new();
        tell_calls(calls, json.as_mut(), &mut out).await;
        match &mut json {
            Some(json) => json.hop(&mut out, &hop),
            None => out.extend(line(&hop).as_bytes()),
        }
        if let Some(code) = write(&out)? {
            return Ok(code);
        }
    };
    let mut out = Vec::new();
    match &mut json {
        Some(json) => {
            let to = endpoint.to_string();
            json.way(&mut out, &to, places, has_arrived, job.clock.now());
        }
        None if !has_arrived && asked.is_none() => {
            out.extend(format!("it does not arrive within {places}\n").as_bytes());
        }
        None => {}
    }
    if let Some(code) = write(&out)? {
        return Ok(code);
    }
    Ok(asked.map_or(if has_arrived { 0 } else { NO_ANSWER }, crate::process::signals::Quit::code))
}

/// Tells the calls of a place before the place itself, where they are asked for.
async fn tell_calls(calls: &mut Option<Explainer>, json: Option<&mut Json>, out: &mut Vec<u8>) {
    match (calls, json) {
        (Some(calls), Some(json)) => calls.write(json, out),
        (Some(calls), None) => calls.finish().await,
        (None, _) => {}
    }
}

/// The exit code where nobody reads any more.
fn write(bytes: &[u8]) -> Result<Option<u8>> {
    let mut out = streams::stdout();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(None),
        Err(error) => output_failed(&error).map(Some),
    }
}

/// `  2   10.0.2.1        0.041 ms   0.038 ms   0.039 ms`.
fn line(hop: &Hop) -> String {
    let mut text = format!("{:>3}   ", hop.number);
    let mut last: Option<IpAddr> = None;
    let mut said = None;
    for answer in &hop.answers {
        let (by, took): (IpAddr, Duration) = match answer {
            TraceAnswer::Passed { by, took } | TraceAnswer::Arrived { by, took } => (*by, *took),
            TraceAnswer::Stopped { by, took, error } => {
                said = Some(error.message());
                (*by, *took)
            }
            TraceAnswer::Silent => {
                text.push_str("*   ");
                continue;
            }
        };
        if last.replace(by) != Some(by) {
            let _ = write!(text, "{:<15} ", by.to_string());
        }
        let _ = write!(text, "{:>9}   ", time(took));
    }
    if let Some(said) = said {
        text.push_str(&safe(said));
    }
    format!("{}\n", text.trim_end())
}
