//! lettre, as its users send many: a thread a connection, which is kept, and one message built anew for each reader.

use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let (lines, count): (usize, usize) = (given[2].parse().unwrap(), given[3].parse().unwrap());
    let html = std::fs::read_to_string(&given[4]).unwrap();
    let text = std::fs::read_to_string(&given[5]).unwrap();
    let server = format!("{}:{}", given[6], given[1]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..lines {
            scope.spawn(|| {
                let hello = ClientId::Domain("localhost".into());
                let wait = Some(Duration::from_secs(60));
                let mut line = SmtpConnection::connect(server.as_str(), wait, &hello, None, None).unwrap();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let name = format!("Reader {number}");
                    let to: Mailbox = format!("{name} <reader{number}@example.net>").parse().unwrap();
                    let body = MultiPart::alternative_plain_html(
                        text.replace("READER", &name),
                        html.replace("READER", &name),
                    );
                    let message = Message::builder()
                        .from("Ada Moreau <ada@example.org>".parse().unwrap())
                        .to(to)
                        .subject("A long letter")
                        .message_id(None)
                        .multipart(body)
                        .unwrap();
                    line.send(message.envelope(), &message.formatted()).unwrap();
                }
                line.quit().unwrap();
            });
        }
    });
}
