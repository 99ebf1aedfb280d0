//! `tidegate service`, and what a service manager sets up around the process: credentials, limits, exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tidegate_tests::client::{ask, chat_with};
use tidegate_tests::proxy::built;
use tidegate_tests::{Proxy, Setup};

use crate::handover::{Chain, Ear};
use crate::world::{LONG, sim, told};

fn service(args: &[&str], root: Option<&Path>) -> Output {
    let mut command = Command::new(built().join("tidegate"));
    command.arg("service").args(args);
    if let Some(root) = root {
        command.arg("--root").arg(root);
    }
    command.output().unwrap()
}

/// It succeeded, and said this.
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// It failed, and said this.
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn what_is_installed_is_removed_and_what_is_changed_is_kept() {
    for (manager, more) in [("--systemd", &["--socket"][..]), ("--launchd", &["--user", "_llm"])] {
        let dir = tempfile::tempdir().unwrap();
        let root = Some(dir.path());
        let install = [&["install", manager], more].concat();
        let would = done(&service(&[&install[..], &["--dry-run"]].concat(), root));
        assert!(would.contains("would write") && files(dir.path()).is_empty(), "{would}");
        let said = done(&service(&install, root));
        let written = files(dir.path());
        assert_eq!(written.len(), 1 + more.iter().filter(|arg| **arg == "--socket").count(), "{written:?}");
        for file in &written {
            assert!(said.contains(&format!("wrote {}", file.display())), "{said}");
        }
        assert!(done(&service(&install, root)).contains("unchanged"));

        let other = dir.path().join("etc/other.conf");
        std::fs::create_dir_all(other.parent().unwrap()).unwrap();
        std::fs::write(&other, "another's").unwrap();
        let changed = &written[0];
        let mut text = std::fs::read_to_string(changed).unwrap();
        text.push_str("# mine\n");
        std::fs::write(changed, &text).unwrap();
        let path = changed.display().to_string();
        assert!(failed(&service(&install, root)).contains(&path));
        assert!(failed(&service(&["uninstall", manager], root)).contains(&path));
        let keys = said.lines().find_map(|line| line.strip_prefix("made ")).map(Path::new);
        assert!(keys.is_some_and(Path::is_dir), "a unit that stays has its keys from there: {said}");
        assert_eq!(std::fs::read_to_string(changed).unwrap(), text, "nothing is lost");
        done(&service(&[&install[..], &["--force"]].concat(), root));
        assert!(!std::fs::read_to_string(changed).unwrap().contains("# mine"));
        done(&service(&["uninstall", manager], root));
        assert_eq!(files(dir.path()), [other]);
        assert!(done(&service(&["uninstall", manager], root)).contains("nothing is installed"));
    }
    assert!(!service(&["print", "--systemd", "--launchd"], None).status.success());
    assert!(failed(&service(&["print", "--systemd", "--user", "a b"], None)).contains("a b"));
}

#[test]
fn a_configuration_with_a_long_drain_gets_a_patient_manager() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("my config.yaml");
    std::fs::write(&config, "model_list: []\ntidegate: {clocks: {drain: 10m}}\n").unwrap();
    let config = config.to_str().unwrap();
    let unit = done(&service(&["print", "--systemd", "--config", config], None));
    assert!(unit.contains("\nTimeoutStopSec=630\n"), "{unit}");
    assert!(unit.contains(&format!("serve --config \"{config}\"\n")), "{unit}");
    let plist = done(&service(&["print", "--launchd", "--config", config], None));
    assert!(plist.contains("<integer>630</integer>"), "{plist}");
    // By force: this machine may have a unit of its own.
    let dry = ["install", "--systemd", "--dry-run", "--force", "--config", config];
    assert!(!done(&service(&dry, None)).contains("does not count"));
    std::fs::write(config, "model_list: [").unwrap();
    let said = done(&service(&dry, None));
    assert!(said.contains(&format!("tidegate check {config}")) && said.contains("does not count"), "{said}");
}

#[test]
fn launchd_needs_an_account_and_an_open_folder_of_keys_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let root = Some(dir.path());
    let said = failed(&service(&["install", "--launchd"], root));
    assert!(said.contains("--user") && files(dir.path()).is_empty(), "{said}");
    let said = done(&service(&["install", "--launchd", "--user", "_llm", "--dry-run", "--force"], None));
    assert!(said.contains("chown -R _llm /usr/local/etc/tidegate/keys"), "{said}");
    let keys = dir.path().join("etc/tidegate/keys");
    let install = || done(&service(&["install", "--systemd"], root));
    let said = install();
    assert!(said.contains(&format!("made {}", keys.display())) && !said.contains("mode"), "{said}");
    for (mode, open) in [(0o755, true), (0o710, true), (0o700, false)] {
        std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let said = install();
        assert_eq!(said.contains(&format!("{} has mode {mode:o}", keys.display())), open, "{said}");
    }
}

/// systemd's own judgement. tests/run installs Debian's package where it is missing.
#[cfg(target_os = "linux")]
#[test]
fn systemd_finds_the_units_right_and_tight() {
    let analyze = |args: &[&str], unit: &Path| {
        let output = Command::new("systemd-analyze").args(args).arg(unit).output();
        output.expect("systemd-analyze of Debian's package systemd")
    };
    const SECURITY: [&str; 4] = ["security", "--offline=true", "--threshold=20", "--no-pager"];
    let dir = tempfile::tempdir().unwrap();
    let program = built().join("tidegate");
    done(&service(
        &["install", "--systemd", "--socket", "--program", program.to_str().unwrap()],
        Some(dir.path()),
    ));
    let unit = dir.path().join("etc/systemd/system/tidegate.service");
    for unit in [&unit, &unit.with_extension("socket")] {
        let verified = analyze(&["verify", "--man=no"], unit);
        let said = String::from_utf8_lossy(&verified.stderr);
        // What it says of the machine's own units is not ours.
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("tidegate")).collect();
        assert!(verified.status.success() && ours.is_empty(), "{said}");
    }
    let judged = analyze(&SECURITY, &unit);
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
    // Both can fail.
    let text = std::fs::read_to_string(&unit).unwrap();
    let loose = text
        .replace("PrivateUsers=yes\n", "")
        .replace("SystemCallFilter=@system-service\n", "SystemCallFilter=@known\n");
    std::fs::write(&unit, loose.replace("ProtectSystem=strict\n", "")).unwrap();
    assert!(!analyze(&SECURITY, &unit).status.success(), "a loose unit passes");
    std::fs::write(&unit, text.replace("ProtectHome=yes", "ProtectHom=yes")).unwrap();
    let verified = analyze(&["verify", "--man=no"], &unit);
    assert!(String::from_utf8_lossy(&verified.stderr).contains("ProtectHom"), "a wrong unit passes");
}

#[test]
fn the_property_list_is_one() {
    const PROGRAM: &str = "import plistlib, sys, json; print(json.dumps(plistlib.load(sys.stdin.buffer)))";
    let dir = tempfile::tempdir().unwrap();
    let root = Some(dir.path());
    done(&service(&["install", "--launchd", "--program", "/opt/a & <b>/tidegate", "--user", "_llm"], root));
    let file = dir.path().join("Library/LaunchDaemons/local.tidegate.plist");
    let parse = |file: &Path| {
        let file = std::fs::File::open(file).unwrap();
        Command::new("python3").args(["-c", PROGRAM]).stdin(file).output().expect("python3")
    };
    let list: serde_json::Value = serde_json::from_str(&done(&parse(&file))).unwrap();
    assert_eq!(list["Label"], "local.tidegate");
    assert_eq!(list["ProgramArguments"][0], "/opt/a & <b>/tidegate");
    assert_eq!((&list["UserName"], &list["KeepAlive"]["SuccessfulExit"]), (&"_llm".into(), &false.into()));
    assert!(list["ExitTimeOut"].as_u64() > Some(30), "longer than the drain");
    for limits in ["SoftResourceLimits", "HardResourceLimits"] {
        assert_eq!((&list[limits]["NumberOfFiles"], &list[limits]["Core"]), (&65536.into(), &0.into()));
    }
    let arguments: Vec<&str> =
        list["ProgramArguments"].as_array().unwrap()[1..].iter().filter_map(|a| a.as_str()).collect();
    // What it starts is what this program understands, and a bad configuration is no reason to start it again.
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, "model_list: [").unwrap();
    let arguments =
        arguments.iter().map(|arg| if arg.ends_with(".yaml") { bad.to_str().unwrap() } else { arg });
    let ended = Command::new(built().join("tidegate")).args(arguments).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let broken = dir.path().join("broken.plist");
    std::fs::write(&broken, std::fs::read_to_string(&file).unwrap().replace("</dict>", "")).unwrap();
    assert!(!parse(&broken).status.success(), "a broken one passes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_a_credential_needs_no_variable() {
    let sim = sim().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("keys_MY_MASTER_KEY"), "sk-from-a-file\n").unwrap();
    let setup = Setup::of(&sim).general("master_key: os.environ/MY_MASTER_KEY");
    let proxy =
        Proxy::start_with(&setup.yaml(), &[("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())]).await;
    for (key, status) in [("sk-from-a-file", 200), ("sk-other", 401)] {
        let headers = format!("authorization: Bearer {key}\r\nconnection: close\r\n");
        assert_eq!(ask(proxy.data, &chat_with(&headers, "openai", "fast", true), LONG).await.status, status);
    }
    assert!(!proxy.log().contains("sk-from-a-file") && !proxy.log().contains("CREDENTIALS_DIRECTORY"));
}

/// Not a folder, which nobody can search: tests may run as root, who can search any folder.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_cannot_be_looked_for_are_said_once() {
    let sim = sim().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let proxy =
        Proxy::start_with(&Setup::of(&sim).yaml(), &[("CREDENTIALS_DIRECTORY", file.to_str().unwrap())])
            .await;
    assert_eq!(proxy.log().matches("$CREDENTIALS_DIRECTORY").count(), 1, "{}", proxy.log());
    let nowhere = dir.path().join("nowhere");
    let env = [("CREDENTIALS_DIRECTORY", nowhere.to_str().unwrap())];
    assert!(!Proxy::start_with(&Setup::of(&sim).yaml(), &env).await.log().contains("$CREDENTIALS_DIRECTORY"));
}

/// Soft and hard limit of core dumps.
#[cfg(target_os = "linux")]
fn cores(pid: u32) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn no_process_leaves_a_core_dump_unless_somebody_wants_it() {
    let sim = sim().await;
    let yaml = Setup::of(&sim).isolated(&["openai"]).yaml();
    let none = ("0".to_owned(), "0".to_owned());
    // As much as this machine allows, so that there is something to take away.
    const AS_MUCH: &str = "ulimit -S -c $(ulimit -H -c)";
    for (env, allowed) in [(&[][..], false), (&[("TIDEGATE_CORE_DUMPS", "1")][..], true)] {
        let proxy = Proxy::try_start_by(&yaml, env, Some(AS_MUCH), None, LONG).await.unwrap();
        told(&proxy, "openai", "fast", true).await;
        let machine = cores(std::process::id()).1;
        if allowed {
            assert_eq!(cores(proxy.pid()).1, machine);
            assert!(proxy.log().contains("TIDEGATE_CORE_DUMPS"));
        } else {
            assert_ne!(machine, "0", "this machine forbids core dumps itself, and the test shows nothing");
            assert_eq!(cores(proxy.pid()), none);
        }
        let workers = proxy.workers();
        assert!(!workers.is_empty());
        for worker in workers {
            assert_eq!(cores(worker), none, "a plugin's process has none in any case");
        }
    }
}

/// What `systemctl show` prints, kept as systemd keeps it: from what the service says.
#[tokio::test(flavor = "multi_thread")]
async fn the_restart_command_waits_for_the_new_process_and_tells_why_there_is_none() {
    let sim = sim().await;
    let ear = Ear::new();
    let proxy = Proxy::start_with(&Setup::of(&sim).yaml(), &[("NOTIFY_SOCKET", &*ear.path())]).await;
    let mut chain = Chain::of(&proxy);
    let dir = tempfile::tempdir().unwrap();
    let (state, program) = (dir.path().join("state"), dir.path().join("systemctl"));
    std::fs::write(&program, format!("#!/bin/sh\ncat {}\n", state.display())).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let show = |pid: &str, status: &str| {
        let part = state.with_extension("part");
        std::fs::write(&part, format!("MainPID={pid}\nStatusText={status}\n")).unwrap();
        std::fs::rename(&part, &state).unwrap();
    };
    let (mut pid, mut status) = (proxy.pid().to_string(), String::new());
    show(&pid, &status);
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let restart = || {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            Command::new(built().join("tidegate"))
                .args(["service", "restart"])
                .env("PATH", path)
                .output()
                .unwrap()
        })
    };
    let mut listen = |until: &str| {
        for said in ear.until(until) {
            if let Some(now) = said.strip_prefix("MAINPID=") {
                pid = now.to_owned();
            } else if let Some(now) = said.strip_prefix("STATUS=") {
                status = now.to_owned();
            }
            show(&pid, &status);
        }
    };
    listen("READY=1");
    let restarting = restart();
    listen("MAINPID=");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!restarting.is_finished(), "the new process has not said that it serves");
    listen("STATUS=Serving");
    chain.follow(&proxy).await;
    let said = done(&restarting.await.unwrap());
    assert!(said.contains(&format!("process {} serves", chain.last())), "{said}");

    proxy.rewrite("model_list: [");
    let restarting = restart();
    listen("STATUS=Serving; the restart failed");
    let said = failed(&restarting.await.unwrap());
    assert!(said.contains("the restart failed"), "{said}");
    show("0", "");
    assert!(failed(&restart().await.unwrap()).contains("does not run"));
}
