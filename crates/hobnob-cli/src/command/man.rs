//! `hobnob man`: the pages of help as man pages, `hobnob.1` and one a verb.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;
use crate::args::{COMMON, FlagGroup, Usage, Usages};
use crate::help;
use crate::help::outline::outline;
use crate::job::{Job, Verb};
use crate::process::say;

/// What each page of ours has in its title line, so that no other file is overwritten.
const MARK: &str = ".TH hobnob";

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "man",
        words: "[DIR]",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(COMMON)],
        heeds_settings: false,
        page: include_str!("../help/man.md"),
    },
    run,
};

fn run(job: &Job) -> Result<u8> {
    let pages = pages(job.usages).map_err(|error| Error::from_io("write()", &error))?;
    match job.words().first() {
        None => say(&pages[0].1),
        Some(folder) => write_all(Path::new(folder), &pages),
    }
}

/// Every page: its file and its text. The program's own is the first.
fn pages(usages: Usages) -> io::Result<Vec<(String, String)>> {
    let program = outline(usages);
    let mut pages = vec![("hobnob.1".to_owned(), page_of_program(usages, &program)?)];
    for verb in usages.all() {
        let command = program.find_subcommand(verb.name).expect("it was made from this table");
        pages.push((format!("hobnob-{}.1", verb.name), page_of_verb(usages, command)?));
    }
    Ok(pages)
}

fn page_of_program(usages: Usages, program: &Command) -> io::Result<String> {
    let usage = "hobnob VERB [WORD...] [FLAGS]";
    let mut out = head("hobnob", program.clone().override_usage(usage))?;
    let screen = help::FIRST_SCREEN.split_once('\n').map_or("", |(_, screen)| screen);
    section(&mut out, "DESCRIPTION", screen)?;
    let mut roff = Roff::new();
    roff.control("SH", ["VERBS"]);
    for verb in usages.all() {
        roff.control("TP", []);
        roff.text([roman(format!("hobnob-{}(1)", verb.name))]);
        roff.text([roman(verb.title())]);
    }
    roff.to_writer(&mut out)?;
    Man::new(program.clone()).render_options_section(&mut out)?;
    for (title, topic) in
        [("ADDRESSES", "addresses"), ("END OF INPUT", "eof"), ("EXIT STATUS", "exit-codes")]
    {
        section(&mut out, title, &help::body(usages, topic))?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn page_of_verb(usages: Usages, command: &Command) -> io::Result<String> {
    let name = format!("hobnob-{}", command.get_name());
    let mut out = head(&name, command.clone())?;
    section(&mut out, "DESCRIPTION", &help::body(usages, command.get_name()))?;
    // The words stand in the synopsis.
    let is_word = |one: &Arg| one.get_long().is_none() && one.get_short().is_none();
    let flags = command.clone().mut_args(|one| if is_word(&one) { one.hide(true) } else { one });
    Man::new(flags).render_options_section(&mut out)?;
    section(&mut out, "SEE ALSO", "hobnob(1)")?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Title, name and synopsis. No date: the same code gives the same page.
fn head(name: &str, command: Command) -> io::Result<Vec<u8>> {
    let source = format!("hobnob {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.display_name(name.to_owned())).title(name).source(source);
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    Ok(out)
}

/// A page's text as it stands: its columns are made for 80 cells.
fn section(out: &mut Vec<u8>, title: &str, text: &str) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    roff.control("nf", []);
    for line in text.trim_matches('\n').trim_end().lines().filter(|line| !line.starts_with("```")) {
        match line.strip_prefix("# ") {
            Some(heading) => {
                roff.control("fi", []);
                roff.control("SS", [heading]);
                roff.control("nf", [])
            }
            None => roff.text([roman(line.replace('`', ""))]),
        };
    }
    roff.control("fi", []);
    roff.to_writer(out)
}

fn write_all(folder: &Path, pages: &[(String, String)]) -> Result<u8> {
    fs::create_dir_all(folder).map_err(|error| failed("mkdir", folder, &error))?;
    for (name, text) in pages {
        write(&folder.join(name), text)?;
    }
    say(&format!("{} pages in {}\n", pages.len(), folder.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(was) if was.contains(MARK) => {}
        _ => {
            let shown = path.display();
            let text = format!("{shown} is there, and is no man page of hobnob");
            return Err(Error::new(Kind::FileExists, text)
                .try_command(format!("ls -l {shown}"), "what is it?"));
        }
    }
    let written = fs::File::create(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| failed("write", path, &error))
}

fn failed(call: &str, path: &Path, error: &io::Error) -> Error {
    let failure = Error::from_io(&format!("{call}({})", path.display()), error);
    let text = format!("{}: {}", path.display(), failure.message());
    failure.with_message(text)
}
