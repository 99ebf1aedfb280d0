use std::task::{Context, Poll};

use super::*;
use crate::worker::protocol::Splitter;
use crate::worker::slot::Waiting;

const HOW: &str = "was ended";

/// A line, with the worker played by hand.
struct Played {
    line: Line,
    worker: Splitter,
    next: u64,
}

type Answer = Option<Result<Vec<u8>, Failed>>;

fn config(id: u64) -> Arc<Config> {
    Arc::new(Config { id, tag: Tag::CreateProvider, text: "{}".to_owned() })
}

fn answer_of(waiting: &Waiting) -> Answer {
    match waiting.0.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answered) => Some(answered.map(|(payload, _)| payload)),
        Poll::Pending => None,
    }
}

fn ended() -> Answer {
    Some(Err(Failed::Ended(HOW.to_owned())))
}

impl Played {
    fn new() -> Self {
        let mut played = Self { line: Line::new(1000), worker: Splitter::default(), next: 100 };
        played.begin();
        played
    }

    fn begin(&mut self) {
        self.worker = Splitter::default();
        self.line.begin(Call::new(1, Tag::Hello, What::Hello, Arc::new(frame(1, Tag::Hello, |_| {})), 9));
        assert_eq!(self.takes(), Some(Tag::Hello));
        self.answers(b"\0");
    }

    fn call(&mut self, tag: Tag, what: What) -> Waiting {
        self.next += 1;
        let slot = Arc::new(Slot::default());
        let frame = Arc::new(frame(self.next, tag, |put| {
            put.bytes(b"payload");
        }));
        self.line.add(Call::new(self.next, tag, what, frame, 100).answered_in(slot.clone()));
        Waiting(slot)
    }

    fn request(&mut self, config: &Arc<Config>) -> Waiting {
        self.call(Tag::Request, What::Call(config.clone()))
    }

    fn tell(&mut self, tag: Tag, what: What) {
        self.next += 1;
        self.line.add(Call::new(self.next, tag, what, Arc::new(frame(self.next, tag, |_| {})), 100));
    }

    /// An open stream, answered.
    fn open(&mut self, config: &Arc<Config>, stream: u64) {
        let open = self.call(Tag::Open, What::Open(config.clone(), stream));
        self.serve();
        assert!(matches!(answer_of(&open), Some(Ok(_))));
    }

    /// Writes all, and gives the worker the next frame.
    fn takes(&mut self) -> Option<Tag> {
        while let Some(bytes) = self.line.to_write() {
            let some = bytes.len().div_ceil(2);
            self.worker.push(&bytes[..some]);
            self.line.wrote(some);
        }
        self.worker.next(|_| Ok(())).unwrap().map(|(head, _)| head.tag)
    }

    fn answers(&mut self, payload: &[u8]) {
        self.line.answer(payload.to_vec()).unwrap();
    }

    /// Answers everything in line, and says what it was.
    fn serve(&mut self) -> Vec<Tag> {
        std::iter::from_fn(|| {
            let tag = self.takes()?;
            self.answers(&[0, 0, tag as u8]);
            Some(tag)
        })
        .collect()
    }

    /// The worker ends at the head of the line.
    fn ends(&mut self) -> Settled {
        self.takes();
        self.line.end(Blame::Head, HOW)
    }
}

#[test]
fn an_instance_is_created_before_its_first_call_in_each_worker() {
    let (mut played, one) = (Played::new(), config(7));
    played.request(&one);
    played.request(&one);
    assert_eq!(played.serve(), [Tag::CreateProvider, Tag::Request, Tag::Request]);
    played.line.end(Blame::Nobody, HOW);
    played.begin();
    assert_eq!(played.serve(), []);
    played.request(&one);
    played.tell(Tag::Destroy, What::Destroy(7));
    assert_eq!(played.serve(), [Tag::CreateProvider, Tag::Request, Tag::Destroy]);
    played.tell(Tag::Destroy, What::Destroy(7));
    assert_eq!(played.serve(), [], "it is not there any more");
}

#[test]
fn the_head_fails_and_the_rest_is_sent_again() {
    let (mut played, one) = (Played::new(), config(7));
    played.request(&one);
    played.serve();
    let calls = [played.request(&one), played.request(&one), played.request(&one)];
    let settled = played.ends();
    assert_eq!((settled.op, settled.failed), (Some(Op::Request), 1));
    assert_eq!(calls.each_ref().map(answer_of), [ended(), None, None]);
    played.begin();
    assert_eq!(played.serve(), [Tag::CreateProvider, Tag::Request, Tag::Request]);
    assert!(calls[1..].iter().all(|call| matches!(answer_of(call), Some(Ok(_)))));
}

#[test]
fn nobody_is_blamed_for_what_the_worker_had_not_got() {
    let (mut played, one) = (Played::new(), config(7));
    played.request(&one);
    played.serve();
    let call = played.request(&one);
    played.line.wrote(5);
    assert_eq!(played.line.end(Blame::Head, HOW).failed, 0);
    played.begin();
    assert_eq!(played.serve(), [Tag::CreateProvider, Tag::Request]);
    assert!(matches!(answer_of(&call), Some(Ok(_))));
}

#[test]
fn a_call_that_was_answered_in_the_last_moment_is_not_blamed_and_nor_is_the_next() {
    let (mut played, one) = (Played::new(), config(7));
    played.request(&one);
    played.serve();
    let (late, next) = (played.request(&one), played.request(&one));
    played.takes();
    let (number, _) = played.line.head().unwrap();
    played.answers(&[0, 0]);
    assert_eq!(played.line.end(Blame::Call(number), HOW).failed, 0);
    assert!(matches!(answer_of(&late), Some(Ok(_))));
    assert_eq!(answer_of(&next), None);
}

#[test]
fn a_configuration_that_ends_the_worker_fails_the_calls_of_its_instance_alone() {
    let (mut played, bad, good) = (Played::new(), config(7), config(8));
    let calls = [played.request(&bad), played.request(&good), played.request(&bad)];
    played.ends();
    assert_eq!(calls.each_ref().map(answer_of), [ended(), None, ended()]);
    played.begin();
    assert_eq!(played.serve(), [Tag::CreateProvider, Tag::Request]);
}

#[test]
fn a_call_is_not_sent_again_without_end() {
    let (mut played, one) = (Played::new(), config(7));
    let mut last = None;
    let waits = played.request(&one);
    for _ in 0..MAX_TRIES {
        assert_eq!(answer_of(&waits), None);
        // It stands behind a call of another instance, at which each worker ends.
        played.line.end(Blame::Nobody, HOW);
        played.begin();
        last = played.takes();
    }
    assert_eq!((last, answer_of(&waits)), (None, ended()));
}

#[test]
fn what_nobody_waits_for_is_not_sent_again() {
    let (mut played, one) = (Played::new(), config(7));
    played.request(&one);
    played.serve();
    let guilty = played.request(&one);
    drop(played.request(&one));
    played.ends();
    played.begin();
    assert_eq!((played.serve(), answer_of(&guilty)), (vec![], ended()));
}

#[test]
fn a_stream_is_told_its_input_again_before_it_goes_on() {
    let (mut played, one) = (Played::new(), config(7));
    played.open(&one, 3);
    played.call(Tag::Events, What::Events(3));
    played.serve();
    assert_eq!(played.line.end(Blame::Nobody, HOW).replayed, 1);
    played.begin();
    assert_eq!(played.serve(), [], "when it is needed");
    let events = played.call(Tag::Events, What::Events(3));
    assert_eq!(played.serve(), [Tag::CreateProvider, Tag::Open, Tag::Events, Tag::Events]);
    assert!(matches!(answer_of(&events), Some(Ok(_))));
    played.tell(Tag::Close, What::Close(3));
    assert_eq!(played.serve(), [Tag::Close]);
    assert_eq!(played.line.end(Blame::Nobody, HOW).replayed, 0, "it is forgotten");
}

#[test]
fn a_stream_that_went_with_its_worker_is_not_closed_in_the_next() {
    let (mut played, one) = (Played::new(), config(7));
    played.open(&one, 3);
    played.line.end(Blame::Nobody, HOW);
    played.begin();
    played.tell(Tag::Close, What::Close(3));
    assert_eq!(played.serve(), []);
    assert_eq!(played.line.load(), 0);
}

#[test]
fn a_stream_whose_opening_stands_in_line_is_closed_after_it_all_the_same() {
    let (mut played, one) = (Played::new(), config(7));
    let open = played.call(Tag::Open, What::Open(one, 3));
    played.tell(Tag::Close, What::Close(3));
    played.line.end(Blame::Nobody, HOW);
    played.begin();
    assert_eq!(played.serve(), [Tag::CreateProvider, Tag::Open, Tag::Close]);
    assert!(matches!(answer_of(&open), Some(Ok(_))));
    assert_eq!(played.line.load(), 0);
}

#[test]
fn an_input_that_ends_the_next_worker_too_loses_its_stream_alone() {
    let (mut played, one) = (Played::new(), config(7));
    played.open(&one, 3);
    played.open(&one, 4);
    played.line.end(Blame::Nobody, HOW);
    played.begin();
    let (guilty, other) =
        (played.call(Tag::Events, What::Events(3)), played.call(Tag::Events, What::Events(4)));
    assert_eq!(played.takes(), Some(Tag::CreateProvider));
    played.answers(&[0, 0]);
    // It ends at the replay.
    assert_eq!(played.ends().op, Some(Op::StreamOpen));
    assert_eq!((answer_of(&guilty), answer_of(&other)), (ended(), None));
    played.begin();
    assert_eq!(played.serve(), [Tag::CreateProvider, Tag::Open, Tag::Events]);
    assert_eq!(answer_of(&played.call(Tag::Events, What::Events(3))), ended());
}

#[test]
fn another_answer_to_the_same_input_loses_the_stream() {
    let (mut played, one) = (Played::new(), config(7));
    played.open(&one, 3);
    played.line.end(Blame::Nobody, HOW);
    played.begin();
    let events = played.call(Tag::Events, What::Events(3));
    assert_eq!(played.takes(), Some(Tag::CreateProvider));
    played.answers(&[0, 0]);
    assert_eq!(played.takes(), Some(Tag::Open));
    played.answers(&[0, 0, 99]);
    assert_eq!(played.serve(), [Tag::Events]);
    let Some(Err(Failed::Ended(how))) = answer_of(&events) else { panic!("it was answered") };
    assert!(how.contains("in another way"), "{how}");
}

#[test]
fn a_line_has_an_end() {
    let (mut played, one) = (Played::new(), config(7));
    let calls: Vec<Waiting> = (0..MAX_CALLS + 5).map(|_| played.request(&one)).collect();
    let away = calls.iter().filter(|call| answer_of(call) == Some(Err(Failed::Away))).count();
    assert!((5..10).contains(&away), "{away}");
    played.serve();
    assert_eq!(played.line.bytes, 0);
    assert!(answer_of(&played.request(&one)).is_none());
    let long = Arc::new(vec![0; MAX_FRAME + 1]);
    let slot = Arc::new(Slot::default());
    played.line.add(Call::new(1, Tag::Request, What::Call(one), long, 1).answered_in(slot.clone()));
    assert_eq!(answer_of(&Waiting(slot)), Some(Err(Failed::Long)));
}

#[test]
fn without_a_worker_for_long_calls_fail_at_once() {
    let (mut played, one) = (Played::new(), config(7));
    played.line.end(Blame::Nobody, HOW);
    let waits = played.request(&one);
    assert_eq!(answer_of(&waits), None);
    played.line.give_up();
    assert_eq!(answer_of(&waits), Some(Err(Failed::Away)));
    assert_eq!(answer_of(&played.request(&one)), Some(Err(Failed::Away)));
    played.begin();
    let waits = played.request(&one);
    played.serve();
    assert!(matches!(answer_of(&waits), Some(Ok(_))));
    assert_eq!(played.line.bytes, 0);
}

#[test]
fn an_answer_that_was_not_asked_for_is_told() {
    let (mut played, one) = (Played::new(), config(7));
    let head = |id, tag, len| Head { id, tag, len };
    assert!(played.line.expects(&head(1, Tag::Request, 0)).is_err(), "to nothing");
    played.request(&one);
    played.serve();
    played.request(&one);
    let id = played.next;
    assert!(played.line.expects(&head(id, Tag::Request, 0)).is_err(), "before it was asked as a whole");
    played.takes();
    assert_eq!(played.line.expects(&head(id, Tag::Request, 100)), Ok(()));
    assert!(played.line.expects(&head(id, Tag::Request, 101)).is_err(), "too long");
    assert!(played.line.expects(&head(id, Tag::Classify, 0)).is_err(), "to another call");
    assert!(played.line.expects(&head(id + 1, Tag::Request, 0)).is_err(), "of another number");
}

#[test]
fn a_stream_whose_close_ended_the_worker_is_kept_no_longer() {
    let (mut played, one) = (Played::new(), config(7));
    for (stream, blame) in [(3, Blame::Head), (4, Blame::Nobody)] {
        played.open(&one, stream);
        assert_eq!(played.line.load(), 1);
        played.tell(Tag::Close, What::Close(stream));
        played.takes();
        let settled = played.line.end(blame, HOW);
        assert_eq!((played.line.load(), settled.replayed), (0, 0), "{blame:?}");
        played.begin();
    }
}
