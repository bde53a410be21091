//! `--as-python`: what was done, as a script that makes the same calls with Python's `socket`.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use hobnob::endpoint::{Endpoint, Word};
use hobnob::error::{Error, Kind, Result};
use hobnob::socket::Observer;
use hobnob::{streams, thread};

use crate::advice::Propose as _;
use crate::calling::steps::ScriptedCalls;
use crate::job::Job;
use crate::process::output_failed;
use crate::report::file::{BodyFile, failed};

/// A script that is being made.
pub(crate) struct PythonScript {
    calls: Arc<ScriptedCalls>,
    place: ScriptPlace,
}

enum ScriptPlace {
    Stdout,
    File(BodyFile, File),
}

impl PythonScript {
    /// Where `--as-python` was given. The file is opened now, so that what is wrong with it is said before anybody is
    /// called.
    pub(crate) async fn open(job: &Job, to: &Endpoint) -> Result<Option<Self>> {
        let Some(name) = job.text("as-python") else { return Ok(None) };
        check(job, to)?;
        let place = if name == "-" {
            check_stdout(job)?;
            ScriptPlace::Stdout
        } else {
            let (name, may_replace) = (name.to_owned(), job.is_on("force"));
            // A FIFO is open once somebody reads it, which may be never.
            let open = move || BodyFile::open(&name, may_replace, "--as-python");
            let (place, file) = thread::run("open", open).await??;
            ScriptPlace::File(place, file)
        };
        Ok(Some(PythonScript { calls: Arc::new(ScriptedCalls::of(to)), place }))
    }

    /// What is to see the calls.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.calls) as _
    }

    /// Writes the script, where there is something to write: a file that was to be replaced stays where nobody was there.
    pub(crate) async fn finish(self) -> Result<()> {
        let Some(text) = self.calls.script()? else { return Ok(()) };
        let write = move || match self.place {
            ScriptPlace::Stdout => {
                let mut out = streams::stdout();
                let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
                written.or_else(|error| output_failed(&error).map(drop))
            }
            ScriptPlace::File(mut place, mut file) => {
                let written = file.write_all(text.as_bytes());
                written.map_err(|error| failed("write", &place.name, &error))?;
                place.finish()
            }
        };
        thread::run("script", write).await?
    }
}

/// Refuses what no plain socket does.
fn check(job: &Job, to: &Endpoint) -> Result<()> {
    let refused = |text: String| {
        let error = Error::new(Kind::DoesNotFit, text);
        Err(error.try_command("hobnob help calls", "what a script can do"))
    };
    if job.is_on("listen") {
        return refused(
            "--as-python writes what a client does, and --listen waits for one".to_owned(),
        );
    }
    if to.is_stdio() {
        return refused("--as-python writes calls on a socket, and - is none".to_owned());
    }
    match to.layers().first().map(Word::name) {
        Some(layer) => refused(format!(
            "--as-python writes calls on a socket, and not what {layer} makes of them"
        )),
        None => Ok(()),
    }
}

/// Standard output is for the script only where nothing else goes there.
fn check_stdout(job: &Job) -> Result<()> {
    let is_free = job.text("output").is_some_and(|name| name != "-") && !job.is_on("json");
    if is_free {
        return Ok(());
    }
    let error = Error::new(
        Kind::Usage,
        "standard output is for what is received, so the script needs a file",
    );
    Err(error.try_flag("--as-python talk.py", ""))
}
