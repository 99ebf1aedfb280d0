//! Bad configs and exactly what is said about them.

use super::{bad, good};

/// The drawing of the only error.
#[track_caller]
fn only(text: &str) -> String {
    let report = bad(text);
    assert_eq!(report.errors.len(), 1, "{report}");
    report.errors[0].to_string()
}

#[track_caller]
fn drawn(text: &str, expected: &str) {
    assert_eq!(only(text), expected.trim_start_matches('\n').trim_end());
}

#[test]
fn unknown_key_of_ours() {
    drawn(
        "tidegate:\n  clocks: {connect: 10s, first_contnt: 1m}\n",
        "
config.yaml:2:26: error: `clocks` has no key `first_contnt`
  2 |   clocks: {connect: 10s, first_contnt: 1m}
    |                          ^^^^^^^^^^^^
    = did you mean `first_content`?",
    );
}

#[test]
fn unknown_key_that_is_near_nothing() {
    drawn(
        "tidegate:\n  limits:\n    potatoes: 3\n",
        "
config.yaml:3:5: error: `limits` has no key `potatoes`
  3 |     potatoes: 3
    |     ^^^^^^^^
    = its keys are connections, header, body, event",
    );
}

#[test]
fn duration_without_a_unit() {
    drawn(
        "tidegate:\n  clocks:\n    total: 30\n",
        "
config.yaml:3:12: error: `total`: a duration needs its unit: 30s, 30m, ...
  3 |     total: 30
    |            ^^",
    );
}

#[test]
fn a_clock_of_nothing() {
    drawn(
        "tidegate: {clocks: {connect: 0s}}\n",
        "
config.yaml:1:30: error: `connect` must be longer than 0s
  1 | tidegate: {clocks: {connect: 0s}}
    |                              ^^",
    );
}

#[test]
fn size_with_an_ambiguous_unit() {
    drawn(
        "tidegate:\n  limits: {body: 5MB}\n",
        "
config.yaml:2:18: error: `body`: `MB` is ambiguous; write KiB, MiB or GiB
  2 |   limits: {body: 5MB}
    |                  ^^^",
    );
}

#[test]
fn an_address_that_is_a_name() {
    drawn(
        "tidegate:\n  listen: localhost:4000\n",
        "
config.yaml:2:11: error: `listen` takes an IP address and a port
  2 |   listen: localhost:4000
    |           ^^^^^^^^^^^^^^
    = such as 127.0.0.1:4000, 0.0.0.0:4000 or [::1]:4000",
    );
}

#[test]
fn one_port_for_two() {
    drawn(
        "tidegate:\n  listen: 127.0.0.1:4000\n  admin: 127.0.0.1:4000\n",
        "
config.yaml:3:10: error: `listen` and `admin` are both 127.0.0.1:4000; each needs its own port
  3 |   admin: 127.0.0.1:4000
    |          ^^^^^^^^^^^^^^",
    );
}

#[test]
fn a_word_that_is_no_choice() {
    drawn(
        "tidegate:\n  mid_stream: contnue\n",
        "
config.yaml:2:15: error: `mid_stream` is one of fail, continue
  2 |   mid_stream: contnue
    |               ^^^^^^^
    = did you mean `continue`?",
    );
}

#[test]
fn a_policy_without_a_name_or_with_more_than_it_has() {
    drawn(
        "tidegate:\n  policy: {params: {a: 1}}\n",
        "
config.yaml:2:11: error: `policy` needs a `name`: the plugin that is to decide
  2 |   policy: {params: {a: 1}}
    |           ^",
    );
    drawn(
        "tidegate:\n  policy: {name: deadline, param: {a: 1}}\n",
        "
config.yaml:2:28: error: `policy` has no key `param`
  2 |   policy: {name: deadline, param: {a: 1}}
    |                            ^^^^^
    = did you mean `params`?",
    );
    drawn(
        "tidegate:\n  policy: [deadline]\n",
        "
config.yaml:2:11: error: `policy` takes a text, not a list
  2 |   policy: [deadline]
    |           ^",
    );
}

#[test]
fn overrides_of_a_group_that_is_not_there() {
    drawn(
        "model_list:\n- {model_name: gpt-4o, litellm_params: {model: openai/gpt-4o}}\ntidegate: {groups: {gpt4o: {}}}\n",
        "
config.yaml:3:21: error: `model_list` has no model named `gpt4o`
  3 | tidegate: {groups: {gpt4o: {}}}
    |                     ^^^^^
    = did you mean `gpt-4o`?",
    );
}

#[test]
fn wrong_type() {
    drawn(
        "router_settings:\n  num_retries: many\n",
        "
config.yaml:2:16: error: `num_retries` takes a whole number, not a text
  2 |   num_retries: many
    |                ^^^^",
    );
}

#[test]
fn impossible_number() {
    drawn(
        "router_settings:\n  num_retries: -1\n",
        "
config.yaml:2:16: error: `num_retries` must be 0 or more
  2 |   num_retries: -1
    |                ^^",
    );
}

#[test]
fn two_models_in_one_fallback_entry() {
    drawn(
        "router_settings:\n  fallbacks: [{a: [b], c: [d]}]\n",
        "
config.yaml:2:15: error: each entry of `fallbacks` has exactly one model; this one has 2
  2 |   fallbacks: [{a: [b], c: [d]}]
    |               ^
    = start a new entry with `-` for each model",
    );
}

#[test]
fn a_strategy_with_a_typo() {
    drawn(
        "router_settings:\n  routing_strategy: simple_shufle\n",
        "
config.yaml:2:21: error: there is no routing strategy `simple_shufle`
  2 |   routing_strategy: simple_shufle
    |                     ^^^^^^^^^^^^^
    = did you mean `simple-shuffle`?",
    );
}

#[test]
fn a_master_key_that_is_not_set() {
    drawn(
        "general_settings:\n  master_key: os.environ/NOT_THERE\n",
        "
config.yaml:2:15: error: the environment variable NOT_THERE is not set, so the proxy would be open to everyone
  2 |   master_key: os.environ/NOT_THERE
    |               ^^^^^^^^^^^^^^^^^^^^
    = set it, or remove `master_key` to leave the proxy open on purpose",
    );
}

#[test]
fn an_entry_that_is_no_mapping() {
    drawn(
        "model_list:\n  - gpt-4o\n",
        "
config.yaml:2:5: error: an entry of `model_list` is a mapping with `model_name` and `litellm_params`, not a text
  2 |   - gpt-4o
    |     ^^^^^^",
    );
}

#[test]
fn yaml_that_is_none() {
    let text = only("model_list:\n  - model_name: 'x\n");
    assert!(text.contains("this is not YAML"), "{text}");
    assert!(text.contains("config.yaml:") && text.contains('^'), "{text}");
}

#[test]
fn no_report_quotes_a_secret_wherever_it_stands() {
    for text in [
        "model_list:\n- model_name: a\n  litellm_params:\n    model: openai/x\n    api_key sk-CANARY\n    timeout: 3\n",
        "model_list:\n- model_name: a\n  litellm_params:\n    model: openai/x\n    api_key= CANARY\n    timeout: 3\n",
        "model_list:\n- model_name: a\n  litellm_params:\n    api_key:\n\tCANARY\n",
        "model_list:\n- model_name: a\n  litellm_params:\n    api_key: \"CANARY\n    timeout: 3\n",
        "general_settings:\n  master_key: [sk-CANARY]\n",
        "general_settings:\n  master_key:\n  - sk-CANARY01\n",
        "tidegate:\n  guard:\n  - {name: x, probe: \"http://u:CANARY@127.0.0.1/?k=CANARY\"}\n",
        "tidegate: {listen: \"redis://u:CANARY/@h\"}\n",
    ] {
        let report = bad(text);
        assert!(!report.to_string().contains("CANARY"), "{report}");
    }
    let config = good(
        "general_settings:\n  database_url: postgres://u:CANARY@h/db\n  alert_to_webhook_url: {a: https://h/CANARY}\nlitellm_settings:\n  cache_params: {url: \"redis://:CANARY@h:1?k=CANARY\"}\n",
    );
    assert_eq!(config.notices.len(), 3);
    for notice in &config.notices {
        assert!(!notice.to_string().contains("CANARY"), "{notice}");
    }
}

#[test]
fn a_list_instead_of_a_config() {
    drawn(
        "- model_name: x\n",
        "
config.yaml:1:1: error: a config is a mapping; this is a list
  1 | - model_name: x
    | ^
    = it starts with keys such as `model_list:`",
    );
}

#[test]
fn nothing_at_all() {
    for text in ["", "\n", "# nothing\n", "---\n"] {
        assert!(only(text).contains("the config is empty"), "{text:?}");
    }
}

#[test]
fn a_setting_in_the_wrong_section() {
    drawn(
        "router_settings:\n  health_check_interval: 3\n",
        "
config.yaml:2:3: error: `health_check_interval` is not a key of `router_settings`, in litellm either
  2 |   health_check_interval: 3
    |   ^^^^^^^^^^^^^^^^^^^^^
    = move it to `general_settings`",
    );
}

#[test]
fn every_problem_is_listed_from_top_to_bottom() {
    let report = bad("tidegate: {lsten: 1}\nrouter_settings: {num_retries: x}\ngeneral_settings: [1]\n");
    let lines: Vec<_> = report.errors.iter().map(|error| error.place.line).collect();
    assert_eq!(lines, [1, 2, 3]);
    assert!(report.to_string().ends_with("3 problems in the config"));
}

#[test]
fn a_quoted_line_never_shows_a_key() {
    let text = only("general_settings: {master_key: sk-secret, max_request_size_mb: x}\n");
    assert!(text.contains("max_request_size_mb") && !text.contains("sk-secret"), "{text}");
    let config =
        good("model_list:\n- {model_name: a, litellm_params: {model: openai/a, api_key: sk-secret}}\n");
    assert!(!format!("{config:?}").contains("sk-secret"));
}

#[test]
fn a_quoted_line_never_shows_what_a_header_is_worth() {
    drawn(
        "tidegate:\n  traces:\n    headers:\n      x-tenant: os.environ/TENANT\n      \"x team\": sk-secret\n",
        "
config.yaml:5:7: error: `x team` is no name of a header
  5 |       \"x team\": *********
    |       ^^^^^^^^",
    );
    for text in [
        "tidegate: {traces: {headers: {x-tenant: [sk-secret], x-team: a}}}\n",
        "tidegate:\n  traces:\n    headers: sk-secret\n",
        "tidegate:\n  traces:\n    headers:\n      x-tenant: \"sk-secret\\u0007\"\n",
        "model_list:\n- model_name: a\n  litellm_params:\n    model: openai/a\n    extra_headers:\n      x y: sk-secret\n",
        "environment_variables: [sk-secret]\n",
    ] {
        let drawn = bad(text).to_string();
        assert!(!drawn.contains("secret") && drawn.contains("***"), "{drawn}");
    }
}

#[test]
fn the_caret_stands_right_after_tabs_and_wide_text() {
    let text = only("tidegate: {listen: '[::1]:0',\tlsten: 1}\n");
    let lead = " ".repeat("tidegate: {listen: '[::1]:0',".len());
    assert!(text.contains(&format!("\n    | {lead}\t^^^^^\n")), "{text}");
    drawn(
        "\"ü\": {}\ntidegate: {plugins: {dirs: [üü]}, lsten: 1}\n",
        "
config.yaml:2:35: error: `tidegate` has no key `lsten`
  2 | tidegate: {plugins: {dirs: [üü]}, lsten: 1}
    |                                   ^^^^^
    = did you mean `listen`?",
    );
}

#[test]
fn a_plugin_that_may_be_loaded_is_a_name_or_a_hash() {
    drawn(
        "tidegate:\n  plugins: {allow: [fallback, lib.so]}\n",
        "
config.yaml:2:31: error: `allow` takes names of plugins and SHA-256 hashes
  2 |   plugins: {allow: [fallback, lib.so]}
    |                               ^^^^^^
    = a name is made of a-z, 0-9 and hyphens; a hash has 64 hexadecimal digits",
    );
    // One digit short: as a name it would let nothing in, and nobody would see why.
    let short = "0f".repeat(31) + "0";
    assert!(
        only(&format!("tidegate: {{plugins: {{allow: [fallback, {short}]}}}}\n")).contains("`allow` takes")
    );
}

#[test]
fn an_allow_list_without_the_policy() {
    let without = "config.yaml:1:29: error: `allow` leaves out `fallback`, the policy";
    assert!(only("tidegate: {plugins: {allow: [openai]}}\n").starts_with(without));
    assert!(only("tidegate: {plugins: {allow: []}}\n").starts_with(without));
    assert!(only("tidegate: {plugins: {allow: }}\n").contains("leaves out"), "begun and not written");
    // Which policies decide is in the configuration.
    let other = "tidegate: {policy: mine, plugins: {allow: [fallback, openai]}}\n";
    assert!(only(other).contains("`allow` leaves out `mine`"));
    let own = "model_list: [{model_name: a, litellm_params: {model: openai/a}}]\n\
        tidegate: {plugins: {allow: [fallback, openai]}, groups: {a: {policy: mine}}}\n";
    assert!(only(own).contains("`allow` leaves out `mine`"));
    // It may be the policy's.
    let hash = "0f".repeat(32);
    assert_eq!(good(&format!("tidegate: {{plugins: {{allow: [{hash}]}}}}\n")).notices.len(), 0);
}

#[test]
fn what_a_plugin_has_is_within_bounds() {
    drawn(
        "tidegate:\n  plugins: {use: {mine: {deadline: 1ms}}}\n",
        "
config.yaml:2:36: error: `deadline` must be between 10ms and 1m
  2 |   plugins: {use: {mine: {deadline: 1ms}}}
    |                                    ^^^",
    );
    for (setting, why) in [
        ("mine: {shards: 0}", "between 1 and 64"),
        ("mine: {shards: 65}", "between 1 and 64"),
        ("mine: {deadline: 2m}", "between 10ms and 1m"),
        ("mine: {memory: 1MiB}", "at least 64MiB"),
        ("mine: {isolation: proces}", "did you mean `process`?"),
        ("mine: {isolaton: process}", "did you mean `isolation`?"),
        ("My_own: {}", "no name of a plugin"),
    ] {
        let error = only(&format!("tidegate: {{plugins: {{use: {{{setting}}}}}}}\n"));
        assert!(error.contains(why), "{setting}: {error}");
    }
}

#[test]
fn what_does_nothing_inline_is_said() {
    let config = good("tidegate: {plugins: {use: {mine: {shards: 2, isolation: inline}}}}\n");
    assert!(config.notices[0].to_string().contains("`shards` has no effect"), "{}", config.notices[0]);
    assert_eq!(good("tidegate: {plugins: {use: {mine: {shards: 2}}}}\n").notices.len(), 0);
}

const PROBE: &str = "probe: 'http://127.0.0.1:4000/health'";

#[test]
fn a_guard_says_which_process_and_how_it_is_asked() {
    drawn(
        "tidegate:\n  guard:\n    - name: litellm\n      unit: litellm.service\n",
        "
config.yaml:3:7: error: this entry of `guard` has no `probe`: the URL that it is asked at
  3 |     - name: litellm
    |       ^",
    );
    drawn(
        &format!("tidegate: {{guard: [{{name: litellm, {PROBE}}}]}}\n"),
        "
config.yaml:1:20: error: this entry of `guard` does not say which process it is about
  1 | tidegate: {guard: [{name: litellm, probe: 'http://127.0.0.1:4000/health'}]}
    |                    ^
    = it takes `unit`, `user_unit`, `pid_file` or `process`; only a command that acts needs none",
    );
    drawn(
        "tidegate:\n  guard:\n    - {name: a, unit: a, probe: 'https://a/'}\n",
        "
config.yaml:3:33: error: a guard asks over plain HTTP alone, on the port that serves
  3 |     - {name: a, unit: a, probe: 'https://a/'}
    |                                 ^^^^^^^^^^^^
    = such as http://127.0.0.1:4000/health/liveliness",
    );
}

#[test]
fn a_guard_that_means_two_things_is_refused() {
    let entry = |more: &str| only(&format!("tidegate: {{guard: [{{name: a, {PROBE}, {more}}}]}}\n"));
    for (more, said) in [
        ("unit: a, process: b", "`unit` and `process` both say which process it is; one is enough"),
        ("unit: a b", "`unit` takes the name of one unit, such as litellm.service"),
        ("unit: --all", "`unit` takes the name of one unit"),
        ("unit: ''", "`unit` is empty"),
        ("unit: a, action: kill", "`action` is `terminate`, or a command as a list of words"),
        ("unit: a, action: [x], grace: 1s", "`grace` belongs to `action: terminate`; here a command acts"),
        ("unit: a, action: []", "`action` has no command"),
        ("unit: a, restart: {timeout: 1s}", "`restart` has no command"),
        ("unit: a, restart: systemctl start a", "`restart` takes a list, not a text"),
        ("unit: a, mode: off", "`mode` is one of enforce, observe"),
        ("unit: a, backoff: {give_up: 0}", "`give_up` must be at least 1"),
        ("unit: a, backoff: {first: 1m, longest: 1s}", "`first` must not be longer than `longest`"),
        ("unit: a, start_grace: 10", "a duration needs its unit"),
        ("unit: a, prob: x", "did you mean `probe`?"),
    ] {
        let drawn = entry(more);
        assert!(drawn.contains(said), "{more}:\n{drawn}");
    }
    let probe =
        |more: &str| only(&format!("tidegate: {{guard: [{{name: a, unit: a, probe: {{{more}}}}}]}}\n"));
    for (more, said) in [
        ("url: 'http://h/', timeout: 20s", "`timeout` must not be longer than `every`"),
        ("url: 'http://h/', misses: 0", "`misses` must be at least 1"),
        ("url: 'http://h/', status: 99", "`status` is an HTTP status"),
        ("url: 'http://u:p@h/'", "no name and password can stand in this URL"),
        ("url: /health", "takes the URL of its serving port"),
        ("timeout: 1s", "`probe` has no `url`"),
    ] {
        let drawn = probe(more);
        assert!(drawn.contains(said), "{more}:\n{drawn}");
    }
    let twice = only(&format!(
        "tidegate: {{guard: [{{name: a, unit: a, {PROBE}}}, {{name: a, unit: b, {PROBE}}}]}}\n"
    ));
    assert!(twice.contains("there are two entries of `guard` named `a`"), "{twice}");
}

#[test]
fn check_says_what_a_guard_will_do() {
    let text = |entry: &str| {
        let config = good(&format!("tidegate: {{guard: [{{name: g, {PROBE}, {entry}}}]}}\n"));
        config.tidegate.guard[0].to_string()
    };
    let unit = text("unit: litellm.service");
    assert!(unit.contains("guard g: the main process of litellm.service"), "{unit}");
    assert!(
        unit.contains("after 3 misses in a row, at most 25s from the first one's begin; never for CPU alone"),
        "{unit}"
    );
    assert!(unit.contains("SIGKILL to it and its children after 10s"), "{unit}");
    assert!(unit.contains("litellm.service needs Restart=always"), "{unit}");
    let command = text("action: [docker, restart, litellm], mode: enforce");
    assert!(
        command.contains("no process is named") && command.contains("runs `docker restart litellm`"),
        "{command}"
    );
    let observed = text("process: litellm, mode: observe");
    assert!(
        observed.contains("nothing but say what it would do") && !observed.contains("SIGTERM"),
        "{observed}"
    );
}
