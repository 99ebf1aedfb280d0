//! What goes over the socket and comes back; and what a worker that means harm may send.

use super::answer::{self, Told};
use super::ask::{self, Hello};
use super::events::{self, Next, check, put_asked, put_end, put_event, take_asked, take_next};
use super::frame::frame;
use super::{Garbled, Put, Splitter, Tag, Take};
use crate::error::{PluginError, Whence};
use crate::events::{Events, Note};
use crate::hook::{Op, Outcome};
use crate::policy::{Action, ActionKind, Pick};
use crate::stream::{Answer, End};
use crate::types::{Auth, Class, Classified, Dialect, Framing, Reply, ResponseSpec, UpstreamRequest};

fn whence(op: Op) -> Whence {
    Whence { plugin: "played", op }
}

fn written(put: impl FnOnce(&mut Put)) -> Vec<u8> {
    let mut buffer = Put::default();
    put(&mut buffer);
    buffer.0
}

/// A good answer as the worker writes it.
fn good<T>(value: T, put: impl FnOnce(&mut Put, T)) -> Vec<u8> {
    written(|buffer| answer::put(buffer, Outcome::Ok, Ok(value), put))
}

fn upstream(auth: Auth) -> UpstreamRequest {
    UpstreamRequest {
        method: "POST".into(),
        url: "https://a/".into(),
        headers: vec![("accept".into(), "ä".into()), ("b".into(), String::new())],
        auth,
        response: ResponseSpec {
            dialect: Dialect::GeminiGenerate,
            framing: Framing::JsonArray,
            every_event: true,
        },
        body: b"{}".to_vec(),
    }
}

fn take_upstream(bytes: &[u8]) -> Result<Told<UpstreamRequest>, Garbled> {
    answer::take_upstream(bytes, whence(Op::Request), 100)
}

fn sent(request: &UpstreamRequest) -> Result<UpstreamRequest, PluginError> {
    take_upstream(&good((), |put, ()| answer::put_upstream(put, request))).unwrap().1
}

#[test]
fn a_request_comes_back_with_every_way_to_authenticate() {
    let [secret, name, prefix, scope] = ["s", "x-key", "p ", "scope"].map(str::to_owned);
    for auth in [
        Auth::None,
        Auth::Bearer { secret: secret.clone() },
        Auth::Header { secret: secret.clone(), name, prefix },
        Auth::GoogleOauth { secret: secret.clone(), scope: scope.clone() },
        Auth::AwsSigV4 { secret, service: scope.clone(), region: scope },
    ] {
        assert_eq!(sent(&upstream(auth.clone())), Ok(upstream(auth)));
    }
}

#[test]
fn a_request_is_judged_as_one_of_a_plugin_in_this_process() {
    let with = |change: fn(&mut UpstreamRequest)| {
        let mut request = upstream(Auth::None);
        change(&mut request);
        sent(&request).unwrap_err()
    };
    let bad = |error: PluginError, what: &str| {
        assert!(matches!(&error, PluginError::BadAnswer(_, said) if said.contains(what)), "{error}");
    };
    bad(with(|r| r.url = "/relative".into()), "absolute");
    bad(with(|r| r.url = "https://a/\r\n".into()), "line break");
    bad(with(|r| r.method = "post".into()), "capitals");
    bad(with(|r| r.headers[0].1 = "1\r\nx: 2".into()), "line break");
    bad(with(|r| r.headers[0].0 = "a b".into()), "token");
    bad(with(|r| r.auth = Auth::Bearer { secret: String::new() }), "no secret");
    assert!(matches!(with(|r| r.body = vec![b' '; 101]), PluginError::Limit(_)));
    assert!(matches!(with(|r| r.headers = vec![("a".into(), "b".into()); 129]), PluginError::Limit(_)));
}

fn class(http_status: u16) -> Class {
    Class { error: 3, http_status, retryable: true, quota: true, retry_after_ms: Some(7) }
}

#[test]
fn other_answers_come_back_or_are_refused() {
    let reply = |reply: Reply| {
        let bytes = good((), |put, ()| answer::put_reply(put, &reply));
        answer::take_reply(&bytes, whence(Op::Response), 3).unwrap().1
    };
    assert_eq!(reply(Reply::Pass), Ok(Reply::Pass));
    assert_eq!(reply(Reply::Upstream), Ok(Reply::Upstream));
    assert_eq!(reply(Reply::Body(b"abc".to_vec())), Ok(Reply::Body(b"abc".to_vec())));
    assert!(matches!(reply(Reply::Body(b"abcd".to_vec())), Err(PluginError::Limit(_))));
    assert!(reply(Reply::Body(vec![0xff])).is_err() && reply(Reply::Body(vec![])).is_err());

    let classified = |classified: &Classified| {
        let bytes = good((), |put, ()| answer::put_classified(put, classified));
        answer::take_classified(&bytes, whence(Op::Classify)).unwrap().1
    };
    let said = Classified { class: class(429), message: Some("slow".into()), code: None };
    assert_eq!(classified(&said), Ok(said.clone()));
    assert!(classified(&Classified { class: class(200), ..said.clone() }).is_err());
    let long = Classified { message: Some("\x1b".repeat(10_000)), ..said };
    assert_eq!(
        classified(&long).unwrap().message,
        Some(" ".repeat(4096)),
        "cut, and without control characters"
    );

    let action = |target| {
        let action = Action { kind: ActionKind::Retry, target, reason: 1, delay_ms: 2, cooldown_ms: 3 };
        let bytes = good(action, answer::put_action);
        (answer::take_action(&bytes, whence(Op::Decide), 2).unwrap().1, action)
    };
    let (back, given) = action(1);
    assert_eq!(back, Ok(given));
    assert!(matches!(action(2).0, Err(PluginError::BadAnswer(..))), "beyond the targets");
    for (pick, fine) in
        [(Pick::Host, true), (Pick::None, true), (Pick::Target(1), true), (Pick::Target(2), false)]
    {
        let back = answer::take_pick(&good(pick, answer::put_pick), whence(Op::Pick), 2).unwrap().1;
        assert_eq!(back.is_ok(), fine, "{pick:?}");
    }
}

#[test]
fn errors_come_back_where_the_call_can_have_them() {
    let back = |op: Op, error: PluginError| {
        let bytes = written(|put| answer::put(put, Outcome::Error, Err::<(), _>(error), |_, ()| {}));
        answer::take_empty(&bytes, whence(op)).map(|(_, result)| result.unwrap_err())
    };
    let at = whence(Op::StreamEvent);
    for error in [
        PluginError::Panic(at),
        PluginError::Protocol(at),
        PluginError::Limit(at),
        PluginError::Poisoned(at),
        PluginError::BadAnswer(at, "it did".into()),
        PluginError::Ended { whence: at, how: "has no such stream".into() },
    ] {
        assert_eq!(back(Op::StreamEvent, error.clone()), Ok(error));
    }
    let invalid = PluginError::Invalid("no".into());
    assert_eq!(back(Op::Request, invalid.clone()), Ok(invalid.clone()));
    assert!(back(Op::Classify, invalid).is_err(), "only a request is invalid");
    assert!(back(Op::Request, PluginError::Poisoned(at)).is_err(), "only a stream is poisoned");
}

fn out(events: &[(&str, &str)], notes: &[(Note, u64)]) -> Events {
    let mut out = Events::default();
    for (name, data) in events {
        out.put(name.as_bytes(), data.as_bytes()).unwrap();
    }
    for (note, value) in notes {
        out.put_note(note.number(), *value).unwrap();
    }
    out
}

const AT: (Whence, Whence) =
    (Whence { plugin: "played", op: Op::StreamEvent }, Whence { plugin: "played", op: Op::StreamEnd });

#[test]
fn events_and_their_answers_come_back() {
    let bytes = written(|put| {
        assert_eq!(put_asked(put, 7, [(&b"n"[..], &b"d"[..], true), (b"", b"", false)].into_iter(), true), 2);
    });
    let asked = take_asked(&bytes).unwrap();
    assert_eq!((asked.stream, asked.end), (7, true));
    assert_eq!(asked.events, [(&b"n"[..], &b"d"[..], true), (b"", b"", false)]);

    let given = out(&[("n", "d"), ("", "e")], &[(Note::TokensOut, 4), (Note::Done, 0)]);
    let bytes = written(|put| {
        put_event(put, Outcome::Ok, Ok(Answer::Done), &given);
        put_end(put, Outcome::Ok, Ok(End::Done), &out(&[("", "last")], &[]));
    });
    let (mut take, mut back) = (Take(&bytes), Events::default());
    let Ok(Next::Event((Outcome::Ok, Ok(Answer::Done)), true)) =
        take_next(&mut take, AT.0, AT.1, Some(&mut back))
    else {
        panic!("another answer")
    };
    assert!(back.iter().eq(given.iter()) && back.notes() == given.notes());
    let Ok(Next::End((Outcome::Ok, Ok(End::Done)))) = take_next(&mut take, AT.0, AT.1, Some(&mut back))
    else {
        panic!("another end")
    };
    assert!(back.iter().eq([(&b""[..], &b"last"[..])]) && take.0.is_empty());
}

#[test]
fn what_is_written_is_judged_as_in_this_process() {
    let back = |answer: Answer, events: &[(&[u8], &[u8])], into: &mut Events| {
        let bytes = written(|put| {
            put.u8(events::EVENT).u8(0).u8(0).u8(match answer {
                Answer::Pass => 0,
                Answer::Done => 1,
                Answer::Upstream => 2,
            });
            put.u32(events.len() as u32);
            for (name, data) in events {
                put.bytes(name).bytes(data);
            }
            put.u32(0);
        });
        match take_next(&mut Take(&bytes), AT.0, AT.1, Some(into)).unwrap() {
            Next::Event((_, answer), _) => answer,
            Next::End(_) => panic!("an end"),
        }
    };
    let mut into = Events::new(10, 2);
    assert_eq!(back(Answer::Done, &[(b"n", b"123456789")], &mut into), Ok(Answer::Done));
    for (answer, events) in [
        (Answer::Done, &[(&b"a\nb"[..], &b""[..])][..]),
        (Answer::Done, &[(b"", b"\xff")]),
        (Answer::Pass, &[(b"", b"x")]),
        (Answer::Done, &[(b"n", b"1234567890")]),
        (Answer::Done, &[(b"", b""), (b"", b""), (b"", b"")]),
    ] {
        assert!(back(answer, events, &mut into).is_err(), "{events:?}");
        assert!(into.is_empty());
    }
}

#[test]
fn there_are_as_many_answers_as_the_rules_say() {
    let event = |put: &mut Put, answer, done: bool| {
        let notes = [(Note::Done, 0)];
        put_event(put, Outcome::Ok, answer, &out(&[], if done { &notes } else { &[] }));
    };
    let end = |put: &mut Put| put_end(put, Outcome::Ok, Ok(End::Done), &Events::default());
    let right =
        |asked, at_end, put: &dyn Fn(&mut Put)| check(&written(put), AT.0, AT.1, asked, at_end).is_ok();
    let two = |put: &mut Put| {
        event(put, Ok(Answer::Pass), false);
        event(put, Ok(Answer::Done), false);
    };
    assert!(
        right(2, false, &two) && !right(1, false, &two) && !right(3, false, &two) && !right(2, true, &two)
    );
    let two_and_end = |put: &mut Put| {
        two(put);
        end(put);
    };
    assert!(right(2, true, &two_and_end) && !right(2, false, &two_and_end));
    let failed = |put: &mut Put| event(put, Err(PluginError::Protocol(AT.0)), false);
    assert!(right(1, true, &failed) && right(5, false, &failed), "an error ends the matter");
    let upstream = |put: &mut Put| event(put, Ok(Answer::Upstream), false);
    assert!(right(5, true, &upstream));
    let done = |put: &mut Put| event(put, Ok(Answer::Done), true);
    assert!(!right(5, false, &done), "the end belongs to it");
    let done_and_end = |put: &mut Put| {
        done(put);
        end(put);
    };
    assert!(right(5, false, &done_and_end) && right(1, true, &done_and_end));
    let wrong: [&dyn Fn(&mut Put); 4] = [
        &|put| {
            failed(put);
            event(put, Ok(Answer::Done), false);
        },
        &|put| {
            end(put);
            event(put, Ok(Answer::Done), false);
        },
        &|put| {
            failed(put);
            end(put);
        },
        &|put| {
            end(put);
            end(put);
        },
    ];
    for wrong in wrong {
        assert!(!right(2, true, wrong) && !right(1, true, wrong) && !right(0, true, wrong));
    }
    assert!(right(0, true, &end) && right(0, false, &|_| {}) && !right(1, false, &|_| {}));
}

/// Every reader of either side.
fn read_all(bytes: &[u8]) {
    let mut events = Events::new(1000, 10);
    let _ = take_upstream(bytes);
    let _ = answer::take_reply(bytes, whence(Op::Response), 100);
    let _ = answer::take_classified(bytes, whence(Op::Classify));
    let _ = answer::take_action(bytes, whence(Op::Decide), 2);
    let _ = answer::take_pick(bytes, whence(Op::Pick), 2);
    let _ = answer::take_created(bytes, whence(Op::Create)).map(|(_, created)| created.is_ok());
    let _ = answer::take_empty(bytes, whence(Op::StreamClose));
    let _ = check(bytes, AT.0, AT.1, 3, true);
    let mut take = Take(bytes);
    while take_next(&mut take, AT.0, AT.1, Some(&mut events)).is_ok() {}
    let _ = Hello::take(Take(bytes));
    let _ = ask::take_request(&mut Take(bytes)).map(|request| request.headers.len());
    let _ = ask::take_head(&mut Take(bytes)).map(|(_, headers)| headers.len());
    let _ = ask::take_failure(&mut Take(bytes)).map(|(_, headers, _)| headers.len());
    let _ = ask::take_history(&mut Take(bytes)).map(|(_, attempts, _)| attempts.len());
    let _ = take_asked(bytes);
    let mut splitter = Splitter::default();
    splitter.push(bytes);
    while matches!(splitter.next(|_| Ok(())), Ok(Some(_))) {}
}

/// Numbers that look random, the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[test]
fn no_bytes_are_a_panic_or_memory_that_was_not_sent() {
    let given = out(&[("n", "d"), ("", "e")], &[(Note::TokensOut, 4), (Note::Done, 0)]);
    let said = Classified { class: class(429), message: Some("slow".into()), code: Some("c".into()) };
    let samples = [
        good((), |put, ()| answer::put_upstream(put, &upstream(Auth::Bearer { secret: "s".into() }))),
        good((), |put, ()| answer::put_reply(put, &Reply::Body(b"abc".to_vec()))),
        good((), |put, ()| answer::put_classified(put, &said)),
        good(Pick::Target(1), answer::put_pick),
        written(|put| answer::put_gone(put, "has gone")),
        written(|put| {
            put_event(put, Outcome::Ok, Ok(Answer::Done), &given);
            put_end(put, Outcome::Error, Err(PluginError::BadAnswer(AT.1, "x".into())), &given);
        }),
        written(|put| {
            put_asked(put, 7, [(&b"n"[..], &b"d"[..], true)].into_iter(), true);
        }),
        frame(7, Tag::Log, |put| {
            put.u32(1).bytes(b"line");
        }),
    ];
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for sample in &samples {
        read_all(sample);
        for cut in 0..sample.len() {
            read_all(&sample[..cut]);
            for byte in [0, 1, 2, 9, 0x7f, 0x80, 0xff] {
                let mut changed = sample.clone();
                changed[cut] = byte;
                read_all(&changed);
            }
        }
    }
    for _ in 0..20_000 {
        let mut bytes = samples[chance.below(samples.len())].clone();
        for _ in 0..=chance.below(6) {
            let at = chance.below(bytes.len());
            match chance.below(3) {
                0 => bytes[at] = chance.below(256) as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, chance.below(256) as u8),
            }
        }
        read_all(&bytes);
        let noise: Vec<u8> = (0..chance.below(64)).map(|_| chance.below(256) as u8).collect();
        read_all(&noise);
    }
}
