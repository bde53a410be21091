// A letter's journey with nodemailer, imapflow and mailparser: sent, told of, found, read, moved, deleted.
//
//     node mail_journey.js HOST SMTP_PORT SMTPS_PORT IMAP_PORT IMAPS_PORT
//
// First in clear text that becomes TLS where that is offered, then behind TLS from the first byte. The certificate is one
// that nobody checks. Prints one `ok:` line.
"use strict";

const assert = require("node:assert");
const { ImapFlow } = require("imapflow");
const { simpleParser } = require("mailparser");
const nodemailer = require("nodemailer");

const [host, smtp, smtps, imap, imaps] = process.argv.slice(2);
const auth = { user: "li", pass: "secret" };
const unchecked = { rejectUnauthorized: false };
const picture = Buffer.from(Array.from({ length: 5000 }, (_, at) => at % 256));

async function send(transport, number) {
  assert.ok(await transport.verify());
  const sent = await transport.sendMail({
    from: '"李雷" <app@test>',
    to: ["li@test", "han@test"],
    bcc: "hidden@test",
    subject: `你好 ${number}`,
    text: "李雷\n.\n..and dots\n" + "x".repeat(2000),
    html: "<p>李雷 <a href='https://a.test/reset/1'>reset</a></p>",
    attachments: [{ filename: "图.bin", content: picture }],
  });
  assert.deepStrictEqual(sent.accepted, ["li@test", "han@test", "hidden@test"]);
  assert.match(sent.response, /^250 2\.0\.0 /);
}

async function journey(secure) {
  const transport = nodemailer.createTransport({
    host, port: Number(secure ? smtps : smtp), secure, auth, tls: unchecked, pool: true, maxConnections: 1,
  });
  const client = new ImapFlow({ host, port: Number(secure ? imaps : imap), secure, auth, tls: unchecked, logger: false });
  await client.connect();
  assert.ok(client.usable && client.secureConnection);
  const lock = await client.getMailboxLock("INBOX");
  const before = client.mailbox.exists;
  try {
    const told = new Promise((resolve) => client.once("exists", resolve));
    const idle = client.idle();
    await send(transport, secure ? 2 : 1);
    assert.strictEqual((await told).count, before + 1);
    await client.noop();
    await idle;

    const [uid] = await client.search({ subject: `你好 ${secure ? 2 : 1}` }, { uid: true });
    assert.deepStrictEqual(await client.search({ body: "and dots", uid: `${uid}` }, { uid: true }), [uid]);
    const letter = await client.fetchOne(`${uid}`, { envelope: true, bodyStructure: true, source: true, flags: true, size: true }, { uid: true });
    assert.strictEqual(letter.envelope.subject, `你好 ${secure ? 2 : 1}`);
    assert.strictEqual(letter.envelope.from[0].name, "李雷");
    assert.strictEqual(letter.size, letter.source.length);
    assert.strictEqual(letter.bodyStructure.type, "multipart/mixed");
    assert.ok(!letter.source.includes("hidden@test"));

    const parsed = await simpleParser(letter.source);
    assert.match(parsed.text, /李雷\n\.\n\.\.and dots\nx{2000}/);
    assert.match(parsed.html, /reset\/1/);
    assert.strictEqual(parsed.attachments[0].filename, "图.bin");
    assert.ok(parsed.attachments[0].content.equals(picture));
    const part = await client.download(`${uid}`, "2", { uid: true });
    const pieces = [];
    for await (const piece of part.content) pieces.push(piece);
    assert.ok(Buffer.concat(pieces).equals(picture), "a part that is downloaded");

    const box = `归档/${secure ? "b" : "a"}`;
    await client.mailboxCreate(box);
    const moved = await client.messageMove(`${uid}`, box, { uid: true });
    assert.ok(moved.uidMap.get(uid) > 0);
    assert.strictEqual(client.mailbox.exists, before);
    const appended = await client.append(box, letter.source, ["\\Flagged", "$Probe"]);
    assert.ok(appended.uid > moved.uidMap.get(uid));
    const status = await client.status(box, { messages: true, unseen: true, uidNext: true });
    assert.deepStrictEqual([status.messages, status.unseen], [2, 2]);
  } finally {
    lock.release();
  }
  await after(client, secure);
  transport.close();
  await client.logout();
}

async function after(client, secure) {
  const [old, box] = [`归档/${secure ? "b" : "a"}`, `归档/新 ${secure ? "b" : "a"}`];
  await client.mailboxRename(old, box);
  const names = (await client.list({ statusQuery: { messages: true } })).map((listed) => listed.path);
  assert.ok(names.includes(box) && !names.includes(old), `${names}`);
  await client.mailboxSubscribe(box);
  const lock = await client.getMailboxLock(box);
  try {
    assert.ok(await client.messageFlagsAdd("1:*", ["\\Seen"]));
    assert.deepStrictEqual(await client.search({ flagged: true }), [2]);
    assert.ok(await client.messageDelete("1:*"));
    assert.strictEqual(client.mailbox.exists, 0);
  } finally {
    lock.release();
  }
  await client.mailboxDelete(box);
}

async function main() {
  const began = process.hrtime.bigint();
  await journey(false);
  await journey(true);
  console.log(`ok: two journeys in ${(Number(process.hrtime.bigint() - began) / 1e9).toFixed(2)} s`);
}

const late = setTimeout(() => {
  console.error("it hangs");
  process.exit(1);
}, 20000);
main().then(
  () => clearTimeout(late),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
