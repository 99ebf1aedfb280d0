//! `drop_params` of a request: a plugin learns of it when its instance is made, so that there is a second one for such requests.

use std::sync::Arc;

use serde_json::Value;
use tidegate_host::{Plugin, ProviderInstance};
use tokio::sync::OnceCell;

use crate::failure::Failure;

/// The second instance, made when the first request wants it.
pub(super) struct Dropping {
    plugin: Arc<Plugin>,
    told: Value,
    made: OnceCell<ProviderInstance>,
}

impl Dropping {
    /// `told`: what the first one was made of.
    pub(super) fn new(plugin: &Arc<Plugin>, told: Value) -> Self {
        Self { plugin: plugin.clone(), told, made: OnceCell::new() }
    }

    /// A plugin in a process of its own is waited for on a thread that may wait.
    pub(super) async fn instance(&self) -> Result<&ProviderInstance, Failure> {
        let make = || async {
            let (plugin, mut told) = (self.plugin.clone(), self.told.clone());
            told["params"]["drop_params"] = true.into();
            let made = tokio::task::spawn_blocking(move || {
                let provider = plugin.provider().ok_or_else(|| "it is no provider".to_owned())?;
                provider.create(&told).map_err(|error| error.to_string())
            });
            let why = match made.await {
                Ok(Ok(made)) => return Ok(made),
                Ok(Err(why)) => why,
                Err(error) => error.to_string(),
            };
            Err(Failure::plugin(&format!(
                "the provider plugin makes no instance that drops parameters: {why}"
            )))
        };
        self.made.get_or_try_init(make).await
    }
}
