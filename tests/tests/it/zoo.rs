//! The zoo of bad plugins in both modes: what the client of each got, that its neighbours noticed nothing, and whether
//! the proxy is still there. The table that comes of it is docs/plugin-faults.md.

mod again;
mod house;
mod page;
mod watch;

use std::sync::Arc;

use tidegate_tests::zoo::{Inline, MEMBERS, Member, When, Zoo};

use house::{Mode, Seen};

/// What was seen of one member in one mode.
type Row = (&'static Member, Seen);

/// Threads that may be lost in one proxy: after that many the ladder would go on to its next rung.
const SPINNERS: usize = 3;

/// Workers that may end in one proxy within a minute: beyond, it tells of no more.
const ENDING: usize = 8;

/// Which members share a proxy.
fn houses(mode: Mode) -> Vec<Vec<&'static Member>> {
    let mut houses = Vec::new();
    let mut shared = Vec::new();
    let (mut spinners, mut ending): (Vec<&Member>, Vec<&Member>) = Default::default();
    for member in MEMBERS {
        let alone = member.is_policy() || matches!(member.when, When::Loaded | When::Created);
        match (mode, member.inline) {
            (Mode::Inline, Inline::Undefined) => {}
            (Mode::Inline, Inline::LosesThread) if !alone => spinners.push(member),
            (Mode::Inline, Inline::Dies | Inline::NeverStarts) => houses.push(vec![member]),
            _ if alone => houses.push(vec![member]),
            (Mode::Process, fate) if fate != Inline::Survives => ending.push(member),
            _ => shared.push(member),
        }
    }
    houses.extend(ending.chunks(ENDING).map(<[_]>::to_vec));
    houses.extend(spinners.chunks(SPINNERS).map(<[_]>::to_vec));
    houses.push(shared);
    houses
}

async fn play(mode: Mode) -> Vec<Row> {
    let zoo = Zoo::new();
    let published = (!page::is_written()).then(|| Arc::new(page::counted(mode)));
    let mut rows = house::play_all(&zoo, mode, houses(mode), published).await;
    rows.sort_by_key(|(member, _)| MEMBERS.iter().position(|one| one.name == member.name));
    rows
}

/// The promises that need no page.
fn hold(mode: Mode, (member, seen): &Row) -> Result<(), &'static str> {
    let inline = mode == Mode::Inline;
    match member.inline {
        Inline::Dies if inline => {
            return if seen.proxy.starts_with("killed by") || seen.proxy.starts_with("exit status: 3") {
                Ok(())
            } else {
                Err("the control: inline it must end the process")
            };
        }
        Inline::NeverStarts if inline => {
            return if seen.proxy.starts_with("never serves") || seen.proxy.starts_with("killed by") {
                Ok(())
            } else {
                Err("the control: inline the process must not come to serve")
            };
        }
        _ => {}
    }
    if seen.proxy != "serves" {
        return Err("the proxy must go on, and end well when it is asked to");
    }
    if member.when == When::Checked {
        return Ok(());
    }
    let lost = inline && member.inline == Inline::LosesThread;
    if [&seen.client, &seen.beside, &seen.after].iter().any(|got| got.contains("cut off")) && !lost {
        return Err("each client must be told the end");
    }
    let ends = !matches!(member.inline, Inline::Survives | Inline::Undefined) && member.when != When::Loaded;
    if !inline && ends && !seen.metrics.contains("worker") {
        return Err("the control: its worker must end");
    }
    if !inline && member.when != When::Loaded && (&*seen.beside, &*seen.after) != (house::ALL, house::ALL) {
        return Err("other answers of the same plugin must come whole");
    }
    if lost && !(seen.incidents.contains("plugin_quarantined") && seen.metrics.contains("stuck")) {
        return Err("the watchdog must see it");
    }
    Ok(())
}

async fn holds(mode: Mode) {
    let rows = play(mode).await;
    let tables = page::tables(&rows);
    let broken: Vec<String> = rows
        .iter()
        .filter_map(|row| hold(mode, row).err().map(|why| format!("{}: {why}: {:?}", row.0.name, row.1)))
        .collect();
    assert!(broken.is_empty(), "{}\n{tables}", broken.join("\n"));
    if page::is_written() {
        page::write(mode, &tables);
    }
    page::compare(mode, &tables);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_member_in_the_proxy() {
    holds(Mode::Inline).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_member_in_a_process() {
    holds(Mode::Process).await;
}
