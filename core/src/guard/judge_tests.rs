use std::path::Path;

use super::*;
use crate::config::Env;

struct Nothing;

impl Env for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

fn judge() -> Judge {
    let text = "tidegate: {guard: [{name: a, unit: a, probe: 'http://127.0.0.1:1/', start_grace: 60s}]}";
    let config = crate::config::parse(text, Path::new("guard.yaml"), &Nothing);
    Judge::new(&config.map_err(|report| report.to_string()).unwrap().tidegate.guard[0])
}

const SECOND: Duration = Duration::from_secs(1);
const OLD: Duration = Duration::from_secs(3600);

fn who(pid: u32) -> Identity {
    Identity { pid, start: 1 }
}

/// One that is met long after its start.
fn met() -> (Judge, Instant) {
    let (mut judge, now) = (judge(), Instant::now());
    assert!(!judge.meet(now, who(7), OLD), "the first one is no change");
    (judge, now)
}

#[test]
fn three_in_a_row_and_nothing_less() {
    let (mut judge, now) = met();
    for heard in [Heard::Miss, Heard::Miss, Heard::Answer, Heard::Miss, Heard::Miss] {
        assert_ne!(judge.hear(now, heard), Step::Act);
    }
    assert_eq!(
        judge.hear(now, Heard::Nothing),
        Step::Unclear,
        "nothing is known: neither a miss nor an answer"
    );
    assert_eq!(judge.hear(now, Heard::Miss), Step::Act);
}

#[test]
fn a_new_process_is_given_time_until_it_first_answers() {
    let (mut judge, now) = (judge(), Instant::now());
    judge.meet(now, who(7), SECOND * 10);
    for second in [0, 20, 49] {
        assert_eq!(judge.hear(now + SECOND * second, Heard::Miss), Step::Loading, "{second}");
    }
    assert_eq!(judge.hear(now + SECOND * 51, Heard::Miss), Step::Missed(1));
    // The misses of one are not those of the next.
    assert!(judge.meet(now + SECOND * 52, who(8), SECOND));
    assert_eq!(judge.hear(now + SECOND * 53, Heard::Miss), Step::Loading);
    assert_eq!(judge.hear(now + SECOND * 54, Heard::Answer), Step::Healthy);
    assert_eq!(judge.hear(now + SECOND * 55, Heard::Miss), Step::Missed(1), "it had come up");
}

#[test]
fn pauses_double_and_then_it_gives_up() {
    let (mut judge, mut now) = (quick(), Instant::now());
    judge.meet(now, who(7), OLD);
    let mut waits = Vec::new();
    let gave_up = loop {
        assert!(waits.len() < 50, "it never gives up");
        match judge.hear(now, Heard::Miss) {
            Step::Act => {
                judge.acted(now);
                waits.push(now);
            }
            Step::Pausing => {}
            step => break step,
        }
        now += SECOND;
    };
    assert_eq!(gave_up, Step::GiveUp);
    let pauses: Vec<u64> = waits.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(pauses, [10, 20, 40, 80]);
    assert_eq!(judge.hear(now, Heard::Miss), Step::GivenUp);
    assert!(judge.has_given_up());
    // An answer is not enough: it has hung after each of five.
    assert_eq!(judge.hear(now, Heard::Answer), Step::Healthy);
    assert_eq!(judge.hear(now + SECOND, Heard::Miss), Step::GivenUp);
    // Long after the last action it is still so, until it has been well for the window.
    assert_eq!(judge.hear(now + SECOND * 3000, Heard::Miss), Step::GivenUp);
    judge.hear(now + SECOND * 3001, Heard::Answer);
    judge.hear(now + SECOND * 3601, Heard::Answer);
    assert!(!judge.has_given_up());
    assert_eq!(judge.hear(now + SECOND * 3602, Heard::Miss), Step::Act);
}

/// Each action takes so long that five of them are never within the window. It has not helped once: that is enough.
#[test]
fn what_does_not_help_is_not_forgotten_with_time() {
    let (mut judge, now) = (quick(), Instant::now());
    judge.meet(now, who(7), OLD);
    for turn in 0..5 {
        let then = now + SECOND * 500 * turn;
        assert_eq!(judge.hear(then, Heard::Miss), Step::Act, "{turn}");
        judge.acted(then);
    }
    assert_eq!(judge.hear(now + SECOND * 2500, Heard::Miss), Step::GiveUp);
    // One that comes back each time is helped as often as it takes.
    let mut judge = quick();
    judge.meet(now, who(7), OLD);
    for turn in 0..20 {
        let then = now + SECOND * 500 * turn;
        assert_eq!(judge.hear(then, Heard::Miss), Step::Act, "{turn}");
        judge.acted(then);
        judge.hear(then + SECOND, Heard::Answer);
    }
}

/// One miss is enough, and nobody loads.
fn quick() -> Judge {
    let mut judge = judge();
    (judge.misses, judge.start_grace) = (1, Duration::ZERO);
    judge
}

#[test]
fn cpu_names_the_fault() {
    let of = |cores, wanted| Class::of(Share { cores, wanted });
    assert_eq!([of(0.0, 0.0), of(0.5, 0.0), of(0.89, 0.89)], [Class::Blocked; 3]);
    assert_eq!([of(0.9, 0.0), of(3.7, 0.0), of(0.3, 0.95)], [Class::Spin; 3]);
}
