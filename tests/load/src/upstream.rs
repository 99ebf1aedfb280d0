//! The upstream: an OpenAI-dialect server that costs as little as one thread can, so that what is measured is the
//! proxy before it.

use std::io;
use std::rc::Rc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::answers::{self, Script};
use crate::body::Body;
use crate::head;
use crate::shape::Shape;

/// A request body longer than this is refused.
const MAX_BODY: usize = 1024 * 1024;

/// Serves connections until the process is told to end.
pub(crate) async fn serve(listener: TcpListener) -> Result<(), String> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(connection(stream));
            }
            // Out of file descriptors, most likely: wait until some connection has ended.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

/// One client, until it goes or speaks no HTTP. What became of it is the load generator's to report, not ours.
async fn connection(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    let mut memo = Memo::default();
    loop {
        let request = match read_request(&mut stream, &mut buffer).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(sentence) => {
                let _ = stream.write_all(&answers::refusal("400 Bad Request", &sentence)).await;
                return;
            }
        };
        let answered = if request.is_post {
            match memo.script(request.body) {
                Ok(script) => answer(&mut stream, &script).await,
                Err(sentence) => stream.write_all(&answers::refusal("400 Bad Request", &sentence)).await,
            }
        } else {
            // A health check, or a look at the models.
            stream.write_all(&answers::json("200 OK", r#"{"object":"list","data":[]}"#)).await
        };
        if answered.is_err() || request.close {
            return;
        }
    }
}

struct Request {
    is_post: bool,
    close: bool,
    body: Bytes,
}

/// The next request, or `None` when the client has gone between two.
async fn read_request(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<Option<Request>, String> {
    let (is_post, close, framing) = loop {
        if let Some(head) = head::parse(buffer)? {
            let found = (head.start_line.starts_with(b"POST "), head.close, head.framing);
            let len = head.len;
            buffer.advance(len);
            break found;
        }
        if fill(stream, buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err("a head that was cut".to_owned()) };
        }
    };
    let (mut decoder, mut body) = (Body::new(framing), BytesMut::new());
    while !decoder.is_done() {
        let used = decoder.feed(buffer, |part| body.extend_from_slice(part))?;
        buffer.advance(used);
        if body.len() > MAX_BODY {
            return Err(format!("a body of over {MAX_BODY} bytes"));
        }
        if !decoder.is_done() && fill(stream, buffer).await? == 0 {
            return Err("a body that was cut".to_owned());
        }
    }
    Ok(Some(Request { is_post, close, body: body.freeze() }))
}

async fn fill(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<usize, String> {
    buffer.reserve(8 * 1024);
    stream.read_buf(buffer).await.map_err(|error| error.to_string())
}

/// The last request body of a connection and the script it got: a closed loop sends the same body again and again.
#[derive(Default)]
struct Memo {
    body: Bytes,
    script: Option<Rc<Script>>,
}

impl Memo {
    fn script(&mut self, body: Bytes) -> Result<Rc<Script>, String> {
        if let Some(script) = &self.script
            && self.body == body
        {
            return Ok(Rc::clone(script));
        }
        let script = Rc::new(answers::script(Shape::of(&body)?));
        (self.body, self.script) = (body, Some(Rc::clone(&script)));
        Ok(script)
    }
}

async fn answer(stream: &mut TcpStream, script: &Script) -> io::Result<()> {
    match script {
        Script::Writes(writes) => {
            for write in writes {
                stream.write_all(write).await?;
            }
            Ok(())
        }
        Script::Paced { first, event, further, period, last } => {
            stream.write_all(first).await?;
            let mut ticks = interval_at(Instant::now() + *period, *period);
            // A late tick is left out, not caught up with: events that come in bunches are cheaper to relay than
            // events that come alone, and a proxy must not look cheap because the machine was busy.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            for _ in 0..*further {
                ticks.tick().await;
                stream.write_all(event).await?;
            }
            stream.write_all(last).await
        }
        Script::Hold(first) => {
            stream.write_all(first).await?;
            // Ends when the client goes; what it may send before is not answered.
            let mut ignored = [0; 64];
            while stream.read(&mut ignored).await? > 0 {}
            Err(io::ErrorKind::ConnectionAborted.into())
        }
    }
}
