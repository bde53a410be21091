// npm's smtp-server, as its documentation begins: takes every letter and forgets it.
//
//     NODE_PATH=target/peers/node/node_modules node smtp_server.js PORT
"use strict";

const { SMTPServer } = require("smtp-server");

const server = new SMTPServer({
  authOptional: true,
  disableReverseLookup: true,
  onData(stream, session, callback) {
    stream.on("end", callback);
    stream.resume();
  },
});
server.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
server.listen(Number(process.argv[2]), "127.0.0.1");
