//! A request of HTTP, from the flags `--header`, `--method` and `--data`: those of `get` and of `bench`.

use std::path::Path;

use hobnob::error::{Error, Kind, Result};
use hobnob::exchange::Request;
use hobnob::{files, streams};

use crate::advice::Propose as _;
use crate::args;
use crate::job::Job;

/// Bytes that a body may have: it is held in memory.
const MAX_BODY: u64 = 256 << 20;
/// What a body is, where nobody says otherwise.
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// What the flags ask for. The endpoint says the path.
pub(crate) fn read(job: &Job) -> Result<Request> {
    let mut request = Request::to("/");
    for field in job.matches.get_many::<String>("header").into_iter().flatten() {
        request.fields.push(read_field(field)?);
    }
    request.body = joined(&job.texts("data"))?;
    if request.body.is_some() {
        "POST".clone_into(&mut request.method);
        if !request.has(FORM.0) {
            request.fields.push((FORM.0.to_owned(), FORM.1.to_owned()));
        }
    }
    if let Some(method) = job.text("method") {
        method.clone_into(&mut request.method);
    }
    Ok(request)
}

fn read_field(text: &str) -> Result<(String, String)> {
    let Some((name, value)) = text.split_once(':') else {
        let error = args::bad_value("--header", text, "it takes a name, a colon and a value");
        return Err(error.try_flag("-H Accept: text/html", "for one"));
    };
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// The parts of a body as one, with `&` between them.
fn joined(parts: &[String]) -> Result<Option<Vec<u8>>> {
    let mut body: Option<Vec<u8>> = None;
    for part in parts {
        let part = read_body(part)?;
        match &mut body {
            None => body = Some(part),
            Some(body) => {
                body.push(b'&');
                body.extend_from_slice(&part);
            }
        }
    }
    if body.as_ref().is_some_and(|body| body.len() as u64 > MAX_BODY) {
        return Err(too_long("the body"));
    }
    Ok(body)
}

fn read_body(text: &str) -> Result<Vec<u8>> {
    let (name, read) = match text.strip_prefix('@') {
        None => return Ok(text.as_bytes().to_vec()),
        Some("-") => {
            let name = "standard input";
            (name, files::read_from(streams::stdin(), name, MAX_BODY))
        }
        Some(path) => (path, files::read(Path::new(path), MAX_BODY)),
    };
    read.map_err(|error| unusable(name, error))
}

fn too_long(name: &str) -> Error {
    let text = format!("{name} is larger than 256 MiB: a body is held in memory");
    Error::new(Kind::MessageTooLong, text)
}

fn unusable(name: &str, error: Error) -> Error {
    if error.kind() == Kind::MessageTooLong {
        return too_long(name);
    }
    error
        .with_message(format!("the body cannot be read from {name}"))
        .try_flag("--data TEXT", "a body without a file")
}
