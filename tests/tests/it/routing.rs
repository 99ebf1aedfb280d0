//! Where a request goes: wildcards and aliases, the strategies, the limits, and the headers that tell of it.

use serde_json::Value;
use tidegate_sim::Sim;
use tidegate_tests::Setup;
use tidegate_tests::client::{ask, get};

use crate::world::{LONG, told};

/// The model that the simulator was last asked for: in the body, or in Gemini's path.
fn asked(sim: &Sim) -> String {
    let seen = sim.log().pop().unwrap();
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    match body["model"].as_str() {
        Some(model) => model.to_owned(),
        None => seen.target.split("/models/").nth(1).unwrap().split(':').next().unwrap().to_owned(),
    }
}

fn wildcards(setup: Setup, sim: std::net::SocketAddr) -> Setup {
    let server = |model: &str| format!("model: {model}, api_base: \"http://{sim}/v1\", api_key: sim-key");
    let gemini = format!("model: gemini/*, api_base: \"http://{sim}/v1beta\", api_key: sim-key");
    setup
        .params("openai/*", &server("openai/*"))
        .params("my-*-mini", &server("hosted_vllm/org/*:free"))
        .params("gemini/*", &gemini)
        .params("fixed-*", &server("openai/one"))
        .params("openai/exact", &server("openai/exactly"))
        .router("fallbacks: [{openai: [gemini/gemini-2.5-flash]}, {gemini/*: [openai/*]}]")
        .router("model_group_alias: {nick: openai/o3, shy: {model: openai/o4, hidden: true}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_part_that_a_star_matched_goes_to_the_provider() {
    let sim = crate::world::sim().await;
    let setup = wildcards(Setup::of(&sim).short_clocks(), sim.addr());
    let proxy = tidegate_tests::Proxy::start(&setup.yaml()).await;
    for (model, upstream) in [
        ("openai/gpt-4o", "gpt-4o"),
        ("openai/a/b", "a/b"),
        ("openai/exact", "exactly"),
        ("my-gpt-mini", "org/gpt:free"),
        ("gemini/gemini-2.5-pro", "gemini-2.5-pro"),
        ("fixed-x", "one"),
        ("nick", "o3"),
        ("shy", "o4"),
        // The provider that claims the bare name has a wildcard.
        ("gpt-5", "gpt-5"),
    ] {
        for stream in [true, false] {
            assert_eq!(told(&proxy, model, "fast", stream).await.status, 200, "{model}");
            assert_eq!(asked(&sim), upstream, "{model}");
        }
    }
    // A client cannot make a series of its own.
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum("tidegate_requests_total", &[("group", "openai/*"), ("status", "200")]), 10.0);
    assert!(!metrics.text().contains("gpt-4o") && !metrics.text().contains("o3"), "{}", metrics.text());
    for unknown in ["other/x", "openai/*", "my-mini", "*"] {
        assert_eq!(told(&proxy, unknown, "fast", true).await.status, 404, "{unknown}");
    }
    let list = ask(proxy.data, &get("/v1/models", ""), LONG).await.json();
    let ids: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    for (id, listed) in [("openai/*", true), ("nick", true), ("shy", false), ("openai/o3", false)] {
        assert_eq!(ids.contains(&id), listed, "{id}: {ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_may_be_a_model_of_a_wildcard() {
    let sim = crate::world::sim().await;
    let setup = wildcards(Setup::of(&sim).short_clocks(), sim.addr());
    let proxy = tidegate_tests::Proxy::start(&setup.yaml()).await;
    let failed = told(&proxy, "openai", "http-503", true).await;
    assert_eq!(failed.status, 503);
    assert_eq!(
        sim.counts("http-503").started,
        2,
        "a request for `openai` says nothing for the `*` of `openai/*`"
    );
    assert_eq!(asked(&sim), "gemini-2.5-flash");
    assert!(sim.log().pop().unwrap().target.contains("/models/gemini-2.5-flash:"));

    assert_eq!(told(&proxy, "gemini/gemini-2.5-pro", "http-503", true).await.status, 503);
    assert_eq!((sim.counts("http-503").started, asked(&sim)), (4, "gemini-2.5-pro".to_owned()));
    assert!(
        sim.log().pop().unwrap().target.starts_with("/v1/chat"),
        "the `*` keeps its meaning in the fallback"
    );
    let metrics = proxy.metrics().await;
    let went = |from: &str, to: &str| metrics.sum("tidegate_fallbacks_total", &[("group", from), ("to", to)]);
    assert_eq!((went("openai", "gemini/*"), went("gemini/*", "openai/*")), (1.0, 1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_exist_takes_no_wildcard_away() {
    let sim = crate::world::sim().await;
    let setup = wildcards(Setup::of(&sim).short_clocks(), sim.addr()).router("cooldown_time: 60");
    let proxy = tidegate_tests::Proxy::start(&setup.yaml()).await;
    for _ in 0..6 {
        assert_eq!(told(&proxy, "openai/nonsense", "http-404", true).await.status, 404);
    }
    assert_eq!(told(&proxy, "openai/gpt-4o", "fast", true).await.status, 200);
    // The one model of an ordinary deployment is another matter.
    assert_eq!(told(&proxy, "openai/exact", "http-404", true).await.status, 404);
    assert_eq!(told(&proxy, "openai/exact", "fast", true).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_alone_lets_the_request_name_the_provider() {
    let sim = crate::world::sim().await;
    let setup = Setup::default().short_clocks().params("\"*\"", "model: \"*\"");
    let (openai, gemini) = (format!("http://{}/v1", sim.addr()), format!("http://{}/v1beta", sim.addr()));
    let env = [
        ("OPENAI_API_KEY", "sim-key"),
        ("OPENAI_BASE_URL", openai.as_str()),
        ("GEMINI_API_KEY", "sim-key"),
        ("GEMINI_API_BASE", gemini.as_str()),
    ];
    let proxy = tidegate_tests::Proxy::start_with(&setup.yaml(), &env).await;
    for (model, upstream, path) in [
        ("gemini/gemini-2.5-pro", "gemini-2.5-pro", "/v1beta/"),
        ("openai/gpt-4o", "gpt-4o", "/v1/"),
        ("gpt-4o", "gpt-4o", "/v1/"),
        ("nobody/knows", "nobody/knows", "/v1/"),
    ] {
        assert_eq!(told(&proxy, model, "fast", true).await.status, 200, "{model}");
        assert_eq!(asked(&sim), upstream, "{model}");
        assert!(sim.log().pop().unwrap().target.starts_with(path), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn litellms_headers_are_there_when_they_are_asked_for() {
    use crate::world::{fetch, world};

    const PREFIX: &str = "x-litellm-";
    let names = |answer: &tidegate_tests::Answer| {
        let mut names: Vec<String> =
            answer.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.retain(|name| name.starts_with(PREFIX));
        names.sort_unstable();
        names
    };
    let router = |setup: Setup| {
        setup.router("num_retries: 1").router("fallbacks: [{openai: [gemini]}]").router("max_fallbacks: 3")
    };
    let (_sim, proxy) = world(router).await;
    for (model, scenario) in [("openai", "fast"), ("openai", "http-500"), ("nobody", "fast")] {
        assert!(names(&fetch(&proxy, model, scenario, true).await).is_empty(), "they are off by default");
    }

    let (_sim, proxy) = world(|setup| router(setup).tidegate("litellm_headers: true")).await;
    let value = |answer: &tidegate_tests::Answer, name: &str| {
        answer
            .header(&format!("{PREFIX}{name}"))
            .unwrap_or_else(|| panic!("no {name}: {:?}", answer.headers))
            .to_owned()
    };
    let mut ids = Vec::new();
    for stream in [true, false] {
        let good = fetch(&proxy, "openai", "fast", stream).await;
        assert_eq!(value(&good, "model-group"), "openai");
        assert_eq!(value(&good, "model-id").len(), 64);
        assert!(value(&good, "model-api-base").ends_with("/v1"), "{:?}", good.headers);
        for (name, expected) in [
            ("attempted-retries", "0"),
            ("attempted-fallbacks", "0"),
            ("max-retries", "1"),
            ("max-fallbacks", "3"),
        ] {
            assert_eq!(value(&good, name), expected, "{name}");
        }
        let took = |name: &str| value(&good, name).parse::<f64>().unwrap();
        assert!(took("overhead-duration-ms") <= took("response-duration-ms"), "{:?}", good.headers);
        assert!(good.header("x-litellm-version").is_none(), "it is not litellm");
        ids.push(value(&good, "call-id"));
    }
    let failed = fetch(&proxy, "openai", "http-500", true).await;
    assert_eq!(failed.status, 500);
    // Two calls of each group.
    assert_eq!(
        (value(&failed, "attempted-retries"), value(&failed, "attempted-fallbacks")),
        ("2".into(), "1".into())
    );
    ids.push(value(&failed, "call-id"));
    let unknown = fetch(&proxy, "nobody", "fast", true).await;
    assert_eq!(names(&unknown), ["x-litellm-call-id"]);
    ids.push(value(&unknown, "call-id"));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "one for each request");
}
