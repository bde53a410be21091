//! Libraries that programs send and fetch with: of Python and of Node.

use std::path::Path;

use super::post::{Post, fetched, have};
use crate::peer::{python, succeeds};

#[test]
fn aiosmtplib_and_aioimaplib_send_are_told_and_fetch() {
    let test = "mail::libraries::aiosmtplib_and_aioimaplib_send_are_told_and_fetch";
    let Some(modules) = fetched(test, "python", "aiosmtplib") else { return };
    if !have(test, &["python3"]) {
        return;
    }
    let post = Post::open(&[]);
    let script = python("mail_async.py");
    let script = script.get_args().next().expect("the script");
    let mut python = post.run("python3");
    python.arg(script).arg("127.0.0.1").args([&post.smtp, &post.smtps, &post.imap]);
    let said = succeeds(python.env("PYTHONPATH", modules));
    assert!(said.starts_with("ok:"), "{said}");
}

#[test]
fn nodemailer_imapflow_and_mailparser_go_the_whole_way() {
    let test = "mail::libraries::nodemailer_imapflow_and_mailparser_go_the_whole_way";
    let Some(modules) = fetched(test, "node", "imapflow") else { return };
    if !have(test, &["node"]) {
        return;
    }
    let post = Post::open(&[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/node/mail_journey.js");
    let mut node = post.run("node");
    node.arg(script).arg("127.0.0.1").args([&post.smtp, &post.smtps, &post.imap, &post.imaps]);
    let said = succeeds(node.env("NODE_PATH", modules.join("node_modules")));
    assert!(said.starts_with("ok:"), "{said}");
}
