//! What a config means.

use std::time::Duration;

use serde_json::json;
use tidegate::config::{Allowed, Isolation, MidStream, Severity, load};

use super::{FOUNDING, bad, env, good, good_with, messages};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_bug_reports_own_config_loads() {
    let config = good(FOUNDING);
    let [deployment] = config.deployments.as_slice() else { panic!("one deployment") };
    assert_eq!(
        (deployment.provider.as_str(), deployment.model.as_str()),
        ("vertex_ai", "gemini-3.1-pro-preview")
    );
    assert_eq!(deployment.params["vertex_location"], "global");
    assert_eq!(deployment.params["vertex_project"], "my-project");
    assert_eq!(config.router.retries(), 0);
    assert_eq!(config.router.allowed_fails, Some(0));
    assert_eq!(config.router.cooldown_time, Some(0.0));
    // SHA-256 of the same characters, made with Python's hashlib.
    assert_eq!(deployment.id, "3a5d6cae5f0a19e7bc8ace5c2ca6c4c3f4762573b749d1627ae1cecfbb25f14b");
    let notes = messages(&config, Severity::Info);
    assert!(notes.iter().any(|note| note.contains("litellm reads it as 5 seconds")), "{notes:?}");
    assert_eq!(
        config.policy_json(),
        json!({
            "router": {
                "num_retries": 0, "retry_after": 0.0, "allowed_fails": 0, "cooldown_time": 0.0,
                "disable_cooldowns": false, "fallbacks": [], "default_fallbacks": [], "max_fallbacks": 5,
                "strategy": null,
                "context_window_fallbacks": [], "content_policy_fallbacks": [], "retry_policy": null,
                "model_group_retry_policy": {}, "allowed_fails_policy": null,
            },
            "groups": {},
            "deployments": {
                deployment.id.as_str(): {
                    "group": "gemini-3.1-pro-preview", "cooldown_time": null, "num_retries": null,
                    "allowed_fails": null, "allowed_fails_policy": null,
                },
            },
        })
    );
}

#[test]
fn ids_are_litellms() {
    let config = good(
        "model_list:
- model_name: a
  litellm_params: {model: openai/a, rpm: 5, temperature: 0.00001, tpm: 20_000, stream: true, seed: null, stop: [a, \"it's\", 2.0], extra_body: {x: [1, true], y: \"\u{e9}\\n\"}}
- model_name: a
  litellm_params: {model: openai/a}
  model_info: {id: mine}
",
    );
    assert_eq!(config.deployments[0].id, "307446e6af9fe20717dc7d0540d7f0e903c101c1dde0aac1427ca9aba741b7c3");
    assert_eq!(config.deployments[1].id, "mine");
}

#[test]
fn two_deployments_never_share_an_id() {
    let entry = "- {model_name: a, litellm_params: {model: openai/a}, model_info: {id: x}}\n";
    let config = good(&format!("model_list:\n{}", entry.repeat(3)));
    let ids: Vec<_> = config.deployments.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids, ["x", "x-2", "x-3"]);
    assert_eq!(config.groups[0].deployments, [0, 1, 2]);
}

#[test]
fn groups_keep_the_order_of_the_file() {
    let config = good(
        "model_list:
- {model_name: b, litellm_params: {model: openai/1}}
- {model_name: a, litellm_params: {model: openrouter/anthropic/x}}
- {model_name: b, litellm_params: {model: bare, custom_llm_provider: hosted_vllm}}
- {model_name: c, litellm_params: {model: bare}}
",
    );
    let groups: Vec<_> = config.groups.iter().map(|g| (g.name.as_str(), g.deployments.as_slice())).collect();
    assert_eq!(groups, [("b", &[0, 2][..]), ("a", &[1][..]), ("c", &[3][..])]);
    let models: Vec<_> = config.deployments.iter().map(|d| (d.provider.as_str(), d.model.as_str())).collect();
    assert_eq!(
        models,
        [("openai", "1"), ("openrouter", "anthropic/x"), ("hosted_vllm", "bare"), ("", "bare")]
    );
}

#[test]
fn parameters_go_where_they_belong() {
    let config = good(
        "model_list:
- model_name: a
  litellm_params:
    model: azure/a
    api_base: https://x.example/
    api_key: sk-1
    api_version: 2024-02-01
    vertex_credentials: {type: service_account}
    temperature: 0.5
    extra_body: {a: 1}
    extra_headers: {X-One: 1}
    rpm: 6
    api_bse: typo
  model_info: {order: 2}
",
    );
    let deployment = &config.deployments[0];
    assert_eq!(deployment.params["api_version"], "2024-02-01");
    assert_eq!(deployment.params["api_base"], "https://x.example/");
    assert_eq!(deployment.secrets["api_key"].expose(), "sk-1");
    assert_eq!(deployment.secrets["vertex_credentials"].expose(), r#"{"type":"service_account"}"#);
    assert_eq!(deployment.defaults["temperature"], 0.5);
    assert_eq!(deployment.extra_body["a"], 1);
    assert_eq!(deployment.headers["x-one"].expose(), "1");
    assert_eq!((deployment.rpm, deployment.order), (Some(6), Some(2)));
    let typo = config.notices.iter().find(|n| n.message.contains("api_bse")).expect("a notice");
    assert_eq!(typo.hint.as_deref(), Some("did you mean `api_base`?"));
}

#[test]
fn a_bad_entry_is_skipped_and_the_rest_serves() {
    let config = good(
        "model_list:
- {model_name: a, litellm_params: {model: openai/a}}
- {model_name: b, litellm_params: {model: openai/b, rpm: many}}
- {model_name: c, litellm_params: {api_key: x}}
- {model_name: d, litellm_params: {model: openai/d, api_base: example.com}}
router_settings: {fallbacks: [{a: [b]}]}
",
    );
    assert_eq!(config.groups.len(), 1);
    let warnings = messages(&config, Severity::Warning);
    assert_eq!(
        warnings.iter().filter(|text| text.ends_with("the deployment is skipped, as litellm does")).count(),
        3
    );
    assert_eq!(warnings.len(), 3, "naming a skipped model is no second mistake: {warnings:?}");
    let report = bad("model_list:\n- {model_name: b, litellm_params: {model: openai/b, rpm: many}}\n");
    assert_eq!(report.errors.len(), 2, "{report}");
}

#[test]
fn variables() {
    let text = "
environment_variables: {BASE: https://file.example, FLAG: true, EMPTY: }
model_list:
- model_name: a
  litellm_params:
    model: os.environ/MODEL
    api_key: os.environ/KEY
    api_base: os.environ/BASE
    timeout: os.environ/SECONDS
    organization: os.environ/MISSING
    extra_headers: {Authorization: os.environ/KEY}
general_settings: {master_key: os.environ/KEY}
";
    let variables =
        [("MODEL", "openai/x"), ("KEY", "sk-env"), ("BASE", "https://process.example"), ("SECONDS", "7")];
    let config = good_with(text, &variables);
    let deployment = &config.deployments[0];
    assert_eq!(deployment.model, "x");
    assert_eq!(deployment.secrets["api_key"].expose(), "sk-env");
    assert_eq!(deployment.params["api_base"], "https://file.example", "the file goes before the process");
    assert_eq!(deployment.timeout, Some(secs(7)));
    assert_eq!(deployment.headers["authorization"].expose(), "sk-env");
    assert!(!deployment.params.contains_key("organization"));
    assert_eq!(
        messages(&config, Severity::Warning),
        ["the environment variable MISSING is not set; this value is missing"]
    );
    assert_eq!(config.general.master_key.as_ref().map(|key| key.expose()), Some("sk-env"));
    assert_eq!(config.variable(&env(&[]), "FLAG").as_ref().map(|value| value.expose()), Some("True"));
    assert!(config.variable(&env(&[]), "EMPTY").is_none());
}

#[test]
fn the_master_key_may_come_from_the_environment() {
    let config = good_with("general_settings: {}\n", &[("LITELLM_MASTER_KEY", "sk-m")]);
    assert_eq!(config.general.master_key.as_ref().map(|key| key.expose()), Some("sk-m"));
    let config = good_with("general_settings: {master_key: sk-f}\n", &[("LITELLM_MASTER_KEY", "sk-m")]);
    assert_eq!(config.general.master_key.as_ref().map(|key| key.expose()), Some("sk-f"));
    assert!(good("general_settings: {}\n").general.master_key.is_none());
}

#[test]
fn includes_extend_lists_and_replace_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write(
        "main.yaml",
        "include: [more.yaml]\nmodel_list:\n- {model_name: a, litellm_params: {model: openai/a}}\nrouter_settings: {num_retries: 1}\n",
    );
    write(
        "more.yaml",
        "model_list:\n- {model_name: b, litellm_params: {model: openai/b}}\nrouter_settings: {cooldown_time: 2}\n",
    );
    let config =
        load(&folder.path().join("main.yaml"), &env(&[])).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.groups.len(), 2);
    assert_eq!((config.router.num_retries, config.router.cooldown_time), (None, Some(2.0)));
    assert!(messages(&config, Severity::Warning)[0].contains("replaces the whole `router_settings`"));
    // A mistake in an included file is shown there.
    write("more.yaml", "router_settings: {num_retries: x}\n");
    let report = load(&folder.path().join("main.yaml"), &env(&[])).expect_err("refused");
    assert!(report.errors[0].place.source.path().ends_with("more.yaml"));
    write("main.yaml", "include: [nowhere.yaml]\n");
    let report = load(&folder.path().join("main.yaml"), &env(&[])).expect_err("refused");
    assert!(report.errors[0].message.contains("cannot read the included"), "{report}");
    write("main.yaml", "include: more.yaml\n");
    assert!(load(&folder.path().join("main.yaml"), &env(&[])).is_err());
    let report = load(&folder.path().join("missing.yaml"), &env(&[])).expect_err("refused");
    assert!(report.to_string().contains("missing.yaml: error: cannot read"), "{report}");
    write("main.yaml", &"#".repeat((8 << 20) + 1));
    let report = load(&folder.path().join("main.yaml"), &env(&[])).expect_err("refused");
    assert!(report.to_string().contains("larger than 8 MiB"), "{report}");
}

#[test]
fn yaml_words_and_repeated_keys() {
    let config = good(
        "
base: &base {model: openai/a, rpm: 1_000}
model_list:
- {model_name: a, litellm_params: {<<: *base, temperature: 1}}
router_settings: {disable_cooldowns: yes, num_retries: 1, num_retries: 0x2}
",
    );
    assert_eq!(config.deployments[0].rpm, Some(1000));
    assert!(config.router.disable_cooldowns);
    assert_eq!(config.router.num_retries, Some(2));
    let warnings = messages(&config, Severity::Warning);
    assert!(warnings.iter().any(|text| text.contains("`num_retries` is written twice")), "{warnings:?}");
    assert!(good("router_settings: {disable_cooldowns: \"true\"}\n").router.disable_cooldowns);
}

#[test]
fn router_settings_go_before_litellm_settings() {
    let config = good(
        "
router_settings: {num_retries: 4, fallbacks: []}
litellm_settings: {num_retries: 5, allowed_fails: 3, request_timeout: 60, fallbacks: [{a: [b]}], default_fallbacks: [c]}
model_list:
- {model_name: a, litellm_params: {model: openai/a}}
- {model_name: b, litellm_params: {model: openai/b}}
- {model_name: c, litellm_params: {model: openai/c}}
",
    );
    assert_eq!(config.router.num_retries, Some(4));
    assert_eq!(config.router.timeout, Some(secs(60)));
    assert_eq!(config.router.fallbacks, [("a".to_owned(), vec!["b".to_owned()])]);
    assert_eq!(config.router.default_fallbacks, ["c"]);
    assert_eq!(config.router.allowed_fails, Some(3));
    assert!(
        messages(&config, Severity::Info).iter().any(|text| text.contains("litellm takes 3 for its default"))
    );
    assert_eq!(config.policy_json()["router"]["fallbacks"], json!([{"a": ["b"]}]));
    assert_eq!(good("a: 1\n").policy_json()["router"]["allowed_fails"], json!(null));
}

#[test]
fn aliases_and_unknown_names() {
    let config = good(
        "
model_list:
- {model_name: a, litellm_params: {model: openai/a}}
- {model_name: openai/*, litellm_params: {model: openai/*}}
router_settings:
  model_group_alias: {gpt: a, secret: {model: a, hidden: true}, lost: nowhere}
  fallbacks: [{a: [gpt, openai/o3, aa]}, {'*': [a]}]
",
    );
    assert_eq!(config.group("gpt").map(|group| group.name.as_str()), Some("a"));
    assert!(config.hidden_aliases.contains("secret") && !config.hidden_aliases.contains("gpt"));
    let warnings = messages(&config, Severity::Warning);
    let unknown: Vec<_> = warnings.iter().filter(|text| text.contains("has no model named")).collect();
    assert_eq!(unknown.len(), 2, "{warnings:?}");
}

#[test]
fn timeouts_become_clocks() {
    let text = |router: &str, params: &str, ours: &str| {
        format!(
            "model_list:\n- {{model_name: a, litellm_params: {{model: openai/a{params}}}}}\nrouter_settings: {{{router}}}\ntidegate: {{{ours}}}\n"
        )
    };
    // (router, deployment, ours) -> (total of a request, wait of a stream)
    for (router, params, ours, total, wait) in [
        ("", "", "", 3600, 300),
        ("timeout: 60", "", "", 60, 60),
        ("timeout: 60", ", timeout: 30", "", 30, 30),
        ("timeout: 60", ", request_timeout: 20", "", 20, 20),
        ("", ", request_timeout: 20, timeout: 30", "", 30, 30),
        ("timeout: 60, stream_timeout: 9", ", timeout: 30", "", 30, 9),
        ("stream_timeout: 9", ", stream_timeout: 8", "", 3600, 8),
        ("timeout: 60", "", "clocks: {total: 2m, content_idle: 7s}", 120, 7),
        (
            "timeout: 60",
            "",
            "clocks: {total: 2m}, groups: {a: {clocks: {total: 3m, content_idle: 4s}}}",
            180,
            4,
        ),
        ("timeout: 0", "", "", 3600, 300),
        ("timeout: 7200", "", "", 7200, 7200),
    ] {
        let config = good(&text(router, params, ours));
        let deployment = &config.deployments[0];
        let seen =
            (config.clocks_of(deployment, false).total, config.clocks_of(deployment, true).content_idle);
        assert_eq!(seen, (secs(total), secs(wait)), "{router} | {params} | {ours}");
    }
    let config = good(&text("stream_timeout: 600", "", ""));
    let stream = config.clocks_of(&config.deployments[0], true);
    assert_eq!((stream.first_content, stream.byte_idle, stream.total), (secs(600), secs(600), secs(3600)));
    assert_eq!(config.clocks_for("a").first_content, secs(600));
}

#[test]
fn our_section() {
    let config = good(
        "
model_list:
- {model_name: a, litellm_params: {model: openai/a}}
general_settings: {max_request_size_mb: 2}
tidegate:
  listen: 0.0.0.0:0
  admin: '[::1]:9000'
  clocks: {connect: 250ms, drain: 0s}
  mid_stream: continue
  limits: {connections: 5, header: 1KiB, event: 1.5MiB}
  plugins: {dirs: [/a, b], use: {gemini: {isolation: process, shards: 2, deadline: 1s, memory: 1GiB, sha256: \"0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789\"}},
    allow: [fallback, gemini, 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef], watch: true}
  watchdog: {mode: off, thresholds: {r1: {polls: 10, age: 1s}, r4: {wall: 3s}}}
  policy: {name: deadline, params: {spare_ms: 20, inner: {a: [1]}}}
  groups: {a: {mid_stream: fail, clocks: {connect: 1s}, policy: cost-first}}
  guard: [{name: litellm, unit: litellm.service, probe: 'http://127.0.0.1:4000/health?key=PLANTED', restart: [start, PLANTED]}]
",
    );
    let ours = &config.tidegate;
    assert_eq!((ours.listen.port(), ours.admin.port()), (0, 9000));
    assert_eq!(ours.clocks.connect, Duration::from_millis(250));
    assert_eq!(config.clocks_for("a").connect, secs(1));
    assert_eq!(config.clocks_for("a").drain, secs(0));
    assert_eq!((ours.mid_stream, ours.groups["a"].mid_stream), (MidStream::Continue, Some(MidStream::Fail)));
    let policy = ours.policy.as_ref().unwrap();
    assert_eq!(serde_json::json!(policy.params), serde_json::json!({"spare_ms": 20, "inner": {"a": [1]}}));
    let own = ours.groups["a"].policy.as_ref().unwrap();
    assert_eq!((ours.policy_name(), &*own.name, own.params.len()), ("deadline", "cost-first", 0));
    assert_eq!((ours.limits.body, ours.limits.header, ours.limits.event), (2 << 20, 1024, 3 << 19));
    assert_eq!(ours.watchdog.mode, tidegate::config::WatchdogMode::Off);
    assert_eq!((ours.watchdog.r1_polls, ours.watchdog.r4_wall), (Some(10), Some(secs(3))));
    let gemini = &ours.plugins.uses["gemini"];
    assert_eq!(gemini.isolation, Some(Isolation::Process));
    assert_eq!((gemini.shards, gemini.deadline, gemini.memory), (Some(2), Some(secs(1)), Some(1 << 30)));
    assert!(gemini.sha256.as_ref().unwrap().starts_with("0123456789abcdefabcdef"));
    let hash = Allowed::Sha256("0123456789abcdef".repeat(4));
    let names = ["fallback", "gemini"].map(|name| Allowed::Name(name.to_owned()));
    assert_eq!(ours.plugins.allow, Some([&names[..], &[hash]].concat()));
    assert!(ours.plugins.watch);
    let warnings = messages(&config, Severity::Warning);
    assert_eq!(warnings, [""; 0]);
    assert_eq!((ours.guard.len(), &*ours.guard[0].name), (1, "litellm"));
    // The admin port shows it so.
    let shown = format!("{:?}", ours.guard);
    assert!(
        shown.contains("\"start\"") && shown.contains("4000/health\"") && !shown.contains("PLANTED"),
        "{shown}"
    );
}

#[test]
fn who_continues_a_broken_stream() {
    let config = |rest: &str| {
        good(&format!(
            "model_list:
- {{model_name: a, litellm_params: {{model: openai/a}}}}
- {{model_name: a, litellm_params: {{model: openai/b}}}}
- {{model_name: alone, litellm_params: {{model: openai/c}}}}
{rest}"
        ))
    };
    const FLAG: &str = "{num_retries: 0, enable_mid_stream_fallback_continuation: true}";
    for (rest, continues) in [
        ("", false),
        ("tidegate: {mid_stream: continue}", true),
        ("tidegate: {mid_stream: continue, groups: {a: {mid_stream: fail}}}", false),
        ("tidegate: {groups: {a: {mid_stream: continue}}}", true),
        (&format!("router_settings: {FLAG}"), true),
        (&format!("litellm_settings: {FLAG}"), true),
        (&format!("router_settings: {FLAG}\ntidegate: {{mid_stream: fail}}"), false),
        (&format!("router_settings: {FLAG}\ntidegate: {{groups: {{a: {{mid_stream: fail}}}}}}"), false),
    ] {
        let config = config(rest);
        let wanted = if continues { MidStream::Continue } else { MidStream::Fail };
        assert_eq!(config.mid_stream_for("a"), wanted, "{rest}");
        assert_eq!(config.continuations("a", None), u32::from(continues), "{rest}");
        assert_eq!(config.continuations("alone", None), 0, "{rest}: there is nobody to go on");
        let told = config.policy_json()["groups"]["a"]["mid_stream"] == "continue";
        assert_eq!(told, continues, "{rest}");
        assert_eq!(config.notices.len(), 0, "{rest}: {:?}", config.notices);
    }
    // It is paid from the same budget, which grows by it.
    assert_eq!(config(&format!("router_settings: {FLAG}")).attempts("a", None), 2);
    assert_eq!(config("router_settings: {num_retries: 0}").attempts("a", None), 1);
}

#[test]
fn nothing_of_litellms_is_dropped_silently() {
    let keys = [
        "guardrails: [x]",
        "no_such_section: 1",
        "router_settings: {retry_policy: {TimeoutErrorTries: 1}}",
        "router_settings: {retry_policy: {InternalServerErrorRetries: 1}}",
        "router_settings: {redis_host: x}",
        "router_settings: {no_such_key: 1}",
        "litellm_settings: {cache: true}",
        "litellm_settings: {no_such_key: 1}",
        "litellm_settings: {callbacks: [langfuse]}",
        "general_settings: {database_url: x}",
        "general_settings: {no_such_key: 1}",
        "model_list: [{model_name: a, litellm_params: {model: x/y, tags: [a]}}]",
        "model_list: [{model_name: a, rpm: 3, litellm_params: {model: x/y}}]",
        "model_list: [{model_name: a, no_such_key: 3, litellm_params: {model: x/y}}]",
        "model_list: [{model_name: a, litellm_params: {model: x/y, no_such_key: 1}}]",
        "model_list: [{model_name: a, litellm_params: {model: x/y}, model_info: {team_id: x}}]",
    ];
    for text in keys {
        let config = good(text);
        assert_eq!(config.notices.len(), 1, "{text}: {:?}", config.notices);
    }
}

#[test]
fn an_entry_for_another_environment_is_left_out() {
    let text = "model_list:
- {model_name: a, litellm_params: {model: x/a}, model_info: {supported_environments: [production]}}
- {model_name: b, litellm_params: {model: x/b}}
";
    assert_eq!(good(text).groups.len(), 1);
    assert_eq!(good_with(text, &[("LITELLM_ENVIRONMENT", "staging")]).groups.len(), 1);
    assert_eq!(good_with(text, &[("LITELLM_ENVIRONMENT", "production")]).groups.len(), 2);
}

#[test]
fn mocks_and_drops_are_read() {
    let text = r#"
model_list:
- model_name: mock
  litellm_params: {model: openai/x, mock_response: "hi", drop_params: true, additional_drop_params: [user, seed], seed: 7}
- model_name: vector
  litellm_params: {model: openai/x, mock_response: [0.5, 1]}
- model_name: tools
  litellm_params: {model: openai/x, mock_tool_calls: [{id: c, type: function, function: {name: f, arguments: "{}"}}]}
- model_name: plain
  litellm_params: {model: openai/x, drop_params: false}
"#;
    let config = good(text);
    let all: Vec<bool> = config.deployments.iter().map(|it| it.mocked.is_some()).collect();
    assert_eq!(all, [true, true, true, false]);
    assert_eq!(config.deployments[0].dropped, ["user", "seed"]);
    let drops = |config: &tidegate::config::Config| {
        config.deployments.iter().map(|it| config.drops_params(it)).collect::<Vec<_>>()
    };
    assert_eq!(drops(&config), [true, false, false, false]);
    let everywhere = good(&format!("{text}litellm_settings: {{drop_params: true}}\n"));
    assert_eq!(drops(&everywhere), [true; 4], "as in litellm, either word is enough");
    let said: Vec<&str> = config.notices.iter().map(|notice| notice.message.as_str()).collect();
    assert!(
        said.contains(&"`mock_response`: every request is answered so, and the provider is never called"),
        "{said:?}"
    );
    for (params, why) in [
        ("additional_drop_params: [\"tools[*].x\"]", "is a path into a parameter"),
        ("additional_drop_params: [messages]", "`messages` cannot be dropped"),
        ("mock_response: {a: 1}", "\"mock_response\" must be a text"),
        ("mock_tool_calls: [f]", "\"mock_tool_calls\" must be a list"),
    ] {
        let text = format!(
            "model_list:\n- {{model_name: a, litellm_params: {{model: openai/x}}}}\n- {{model_name: b, litellm_params: {{model: openai/x, {params}}}}}\n"
        );
        let config = good(&text);
        assert_eq!(config.deployments.len(), 1, "{params}");
        assert!(
            config.notices.iter().any(|notice| notice.message.contains(why)),
            "{params}: {:?}",
            config.notices
        );
    }
}

#[test]
fn an_admin_key_that_is_asked_for_but_missing_is_an_error() {
    let text = "general_settings: {master_key: sk-1}\ntidegate: {admin_key: os.environ/ADMIN, listen: os.environ/LISTEN}\n";
    let config = good_with(text, &[("ADMIN", "sk-2"), ("LISTEN", "127.0.0.1:4444")]);
    assert_eq!(config.tidegate.admin_key.map(|key| key.expose().to_owned()).as_deref(), Some("sk-2"));
    assert_eq!(config.tidegate.listen.port(), 4444);
    let report = bad(text).to_string();
    for part in ["ADMIN is not set", "whoever has the master key", "or remove `admin_key`"] {
        assert!(report.contains(part), "{part}: {report}");
    }
}

const CREDENTIALS: &str = "
credential_list:
- credential_name: house
  credential_values: {api_key: os.environ/HOUSE_KEY, api_base: \"http://house:8000/v1\", num_retries: 3}
- {credential_name: house, credential_values: {api_base: \"http://second:1/v1\"}}
model_list:
- {model_name: a, litellm_params: {model: openai/x, litellm_credential_name: house}}
- {model_name: b, litellm_params: {model: openai/x, litellm_credential_name: house, api_base: \"http://own:1/v1\", num_retries: 1}}
- {model_name: c, litellm_params: {model: openai/x, litellm_credential_name: hose}}
- {model_name: d, litellm_params: {model: openai/x}}
";

#[test]
fn a_named_credential_says_where_and_with_which_key() {
    let config = good_with(CREDENTIALS, &[("HOUSE_KEY", "sk-house")]);
    let names: Vec<&str> = config.deployments.iter().map(|one| one.group.as_str()).collect();
    assert_eq!(names, ["a", "b", "d"], "an unknown name leaves a deployment out");
    let [a, b, d] = config.deployments.as_slice() else { panic!() };
    assert_eq!((a.params["api_base"].as_str(), a.num_retries), (Some("http://house:8000/v1"), Some(3)));
    assert_eq!((b.params["api_base"].as_str(), b.num_retries), (Some("http://own:1/v1"), Some(1)));
    for one in [a, b] {
        assert_eq!(one.secrets["api_key"].expose(), "sk-house");
    }
    assert!(d.params.is_empty() && d.secrets.is_empty());
    let [(Some(group), notice)] = config.left_out.as_slice() else { panic!("{:?}", config.left_out) };
    assert_eq!(group, "c");
    assert!(notice.message.contains("no credential named `hose`"), "{notice}");
    assert_eq!(notice.hint.as_deref(), Some("did you mean `house`?"));
    // A key that is missing does not let another one be used.
    let config = good(CREDENTIALS);
    assert_eq!(config.deployments.len(), 1);
    assert!(config.left_out[0].1.message.contains("HOUSE_KEY"), "{:?}", config.left_out);
}

#[test]
fn what_is_litellms_own_is_sent_to_no_provider() {
    let config = good(
        "model_list:
- model_name: a
  litellm_params: {model: openai/a, stream: true, base_model: b, supports_system_message: false, no-log: true, id: x,
    client: y, litellm_metadata: {a: b}, metadata: {tags: [a]}, hf_model_name: z, extra_body: {top_k: 3, x: {y: 1}}}
- {model_name: b, litellm_params: {model: openai/a, metadata: {team: a}}}
- {model_name: c, litellm_params: {model: openai/a, cache_control_injection_points: [{location: message, role: system}]}}
- {model_name: d, litellm_params: {model: openai/a, extra_body: {messages: []}}}
",
    );
    let [a, b] = config.deployments.as_slice() else { panic!("{:?}", config.left_out) };
    assert!(a.defaults.is_empty(), "{:?}", a.defaults);
    assert_eq!(serde_json::Value::Object(a.extra_body.clone()), json!({"top_k": 3, "x": {"y": 1}}));
    assert_eq!(b.defaults["metadata"], json!({"team": "a"}));
    let warned = messages(&config, Severity::Warning);
    for name in ["stream", "base_model", "no-log", "litellm_metadata", "metadata", "hf_model_name"] {
        assert!(warned.iter().any(|said| said.contains(&format!("`{name}`"))), "{name}: {warned:?}");
    }
}

#[test]
fn a_timeout_is_a_number_of_seconds_or_a_duration() {
    let timeout = |text: &str| {
        let text = format!(
            "model_list:\n- {{model_name: a, litellm_params: {{model: openai/a, timeout: {text}}}}}\n- {{model_name: b, litellm_params: {{model: openai/a}}}}\n"
        );
        let config = good(&text);
        (config.deployments[0].timeout, config.left_out.len())
    };
    for (text, seconds) in [("30", 30), ("30s", 30), ("\"30\"", 30), ("2m", 120)] {
        assert_eq!(timeout(text), (Some(secs(seconds)), 0), "{text}");
    }
    for text in ["soon", "30 parsecs", "-1"] {
        assert_eq!(timeout(text), (None, 1), "{text}");
    }
}
