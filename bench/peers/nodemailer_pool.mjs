// Send N messages with nodemailer's pool: PORT CONNECTIONS N HTML TEXT [HOST]
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const require = createRequire(process.env.NODE_HOME + "/");
const nodemailer = require("nodemailer");
const [port, connections, count, htmlFile, textFile, host = "127.0.0.1"] = process.argv.slice(2);
const html = readFileSync(htmlFile, "utf8"), text = readFileSync(textFile, "utf8");
const pool = nodemailer.createTransport({
  pool: true, host, port: +port, maxConnections: +connections, maxMessages: Infinity, ignoreTLS: true,
});
let next = 0;
async function worker() {
  while (next < +count) {
    const n = next++;
    await pool.sendMail({
      from: "Ada Moreau <ada@example.org>", to: `Reader ${n} <reader${n}@example.net>`, subject: "A long letter",
      html: html.replaceAll("READER", `Reader ${n}`), text: text.replaceAll("READER", `Reader ${n}`),
      headers: { "List-Unsubscribe": `<https://example.org/u/${n}>` },
    });
  }
}
await Promise.all(Array.from({ length: +connections * 2 }, worker));
pool.close();
