//! Configurations whose providers are simulated.

use std::fmt::Write;

use tidegate_sim::{Dialect, Expect, Sim};

/// The three kinds of upstream that every test of a stream is run against: group name and dialect.
pub const PROVIDERS: [(&str, Dialect); 3] =
    [("openai", Dialect::OpenAiChat), ("gemini", Dialect::Gemini), ("vertex", Dialect::Gemini)];

/// The group of [`Setup::hasty_and_patient`] with a short clock before the first content, and that with short ones after it.
const EARLY: &str = "early";
const LATE: &str = "late";

/// Which of [`Setup::hasty_and_patient`]'s groups is asked for what ends so, if a clock may end it.
pub fn hasty(expect: &Expect) -> Option<&'static str> {
    match expect {
        Expect::Stalled { committed } | Expect::Failed { committed } => {
            Some(if *committed { LATE } else { EARLY })
        }
        _ => None,
    }
}

/// The key of every configuration's admin port.
pub const ADMIN_KEY: &str = "sim-admin-key";

/// The headers of a request that changes something there.
pub const AS_ADMIN: &str = "connection: close\r\nauthorization: Bearer sim-admin-key\r\n";

/// A configuration being written.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    models: String,
    router: String,
    general: String,
    clocks: String,
    tidegate: String,
}

impl Setup {
    /// One deployment of each kind on `sim`, no retries, no cooldowns, and default clocks.
    pub fn of(sim: &Sim) -> Self {
        let setup = Self::default().router("num_retries: 0").router("cooldown_time: 0");
        PROVIDERS.iter().fold(setup, |setup, (name, _)| setup.model(name, name, sim, ""))
    }

    /// Adds a deployment of a kind of [`PROVIDERS`], of `anthropic`, `azure`, `bedrock`, `ollama`, `together_ai` or
    /// `vertex-claude`, to the group `name`. `more`: further `litellm_params`.
    #[must_use]
    pub fn model(mut self, name: &str, kind: &str, sim: &Sim, more: &str) -> Self {
        let addr = sim.addr();
        let params = match kind {
            "openai" | "together_ai" => {
                format!("model: {kind}/sim, api_base: \"http://{addr}/v1\", api_key: sim-key")
            }
            "anthropic" => {
                format!("model: anthropic/claude-sonnet-4-5, api_base: \"http://{addr}\", api_key: sim-key")
            }
            "bedrock" => format!(
                "model: \"bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0\", aws_region_name: us-east-1, \
                 aws_bedrock_runtime_endpoint: \"http://{addr}\", aws_access_key_id: {}, \
                 aws_secret_access_key: sim-key",
                tidegate_sim::AWS_ACCESS_KEY_ID
            ),
            "gemini" => {
                format!("model: gemini/gemini-2.5-pro, api_base: \"http://{addr}/v1beta\", api_key: sim-key")
            }
            "azure" => format!(
                "model: azure/my-gpt, api_base: \"http://{addr}\", api_version: \"2024-10-21\", api_key: sim-key"
            ),
            "ollama" => format!("model: ollama_chat/llama3.2, api_base: \"http://{addr}\""),
            "vertex-claude" => vertex(sim, "anthropic", "claude-sonnet-4-5@20250929"),
            _ => vertex(sim, "google", "gemini-2.5-pro"),
        };
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        line(&mut self.models, &format!("  - {{model_name: {name}, litellm_params: {{{params}{more}}}}}"));
        self
    }

    /// Adds a deployment from its `litellm_params` in flow style.
    #[must_use]
    pub fn params(mut self, name: &str, params: &str) -> Self {
        line(&mut self.models, &format!("  - {{model_name: {name}, litellm_params: {{{params}}}}}"));
        self
    }

    /// Adds a line to `router_settings`; a later line of one key takes the earlier's place.
    #[must_use]
    pub fn router(mut self, entry: &str) -> Self {
        replace(&mut self.router, entry);
        self
    }

    /// Adds a line to `general_settings`.
    #[must_use]
    pub fn general(mut self, entry: &str) -> Self {
        replace(&mut self.general, entry);
        self
    }

    /// Adds a line to `tidegate.clocks`.
    #[must_use]
    pub fn clock(mut self, entry: &str) -> Self {
        replace(&mut self.clocks, entry);
        self
    }

    /// Adds a line to `tidegate`.
    #[must_use]
    pub fn tidegate(mut self, entry: &str) -> Self {
        replace(&mut self.tidegate, entry);
        self
    }

    /// These plugins in a process of their own each.
    #[must_use]
    pub fn isolated(self, plugins: &[&str]) -> Self {
        let uses: Vec<String> =
            plugins.iter().map(|name| format!("{name}: {{isolation: process}}")).collect();
        self.tidegate(&format!("plugins: {{use: {{{}}}}}", uses.join(", ")))
    }

    /// Clocks short enough for a test that waits for them, and long enough for a busy machine.
    #[must_use]
    pub fn short_clocks(self) -> Self {
        self.clock("first_content: 3s").clock("content_idle: 2s").clock("byte_idle: 2s").clock("total: 30s")
    }

    /// Adds two groups, of a kind as in [`model`](Self::model), for the scenarios whose end is a clock's ([`hasty`] names one's);
    /// every other clock is one that no busy machine meets, so that no other scenario's end is its doing.
    #[must_use]
    pub fn hasty_and_patient(self, kind: &str, sim: &Sim) -> Self {
        let late = "content_idle: 2s, byte_idle: 2s";
        // Half a body is no content.
        let early = format!("first_content: 3s, {late}");
        let groups = format!("groups: {{{EARLY}: {{clocks: {{{early}}}}}, {LATE}: {{clocks: {{{late}}}}}}}");
        let setup = self.model(EARLY, kind, sim, "").model(LATE, kind, sim, "").tidegate(&groups);
        ["first_content: 50s", "content_idle: 50s", "byte_idle: 50s", "total: 2m"]
            .into_iter()
            .fold(setup, Self::clock)
    }

    /// The YAML, with free ports.
    pub fn yaml(&self) -> String {
        let mut yaml = format!("model_list:\n{}", self.models);
        let mut section = |name: &str, lines: &str| {
            if !lines.is_empty() {
                // Writing to a string cannot fail.
                let _ = write!(yaml, "{name}:\n{lines}");
            }
        };
        section("router_settings", &self.router);
        section("general_settings", &self.general);
        let mut tidegate = self.tidegate.clone();
        for entry in ["listen: 127.0.0.1:0", "admin: 127.0.0.1:0", &format!("admin_key: {ADMIN_KEY}")] {
            if !tidegate.contains(&format!("  {}", &entry[..entry.find(' ').unwrap_or(0)])) {
                replace(&mut tidegate, entry);
            }
        }
        if !self.clocks.is_empty() {
            let clocks = self.clocks.replace("\n  ", ", ");
            line(&mut tidegate, &format!("  clocks: {{{}}}", clocks.trim()));
        }
        section("tidegate", &tidegate);
        yaml
    }
}

/// A model of Vertex AI's, by whoever publishes it.
fn vertex(sim: &Sim, publisher: &str, model: &str) -> String {
    format!(
        "model: \"vertex_ai/{model}\", vertex_project: p, vertex_location: us-central1, vertex_credentials: '{}', api_base: \
         \"http://{}/v1/projects/p/locations/us-central1/publishers/{publisher}/models/{model}\"",
        sim.service_account_json().replace('\n', " "),
        sim.addr()
    )
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn replace(text: &mut String, entry: &str) {
    let key = format!("  {}:", entry.split(':').next().unwrap_or_default());
    let kept: String = text.split_inclusive('\n').filter(|line| !line.starts_with(&key)).collect();
    *text = kept;
    line(text, &format!("  {entry}"));
}
