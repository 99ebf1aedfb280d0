//! The macro that exports a plugin.

/// Exports a provider or a policy behind the plugin's one symbol.
///
/// ```ignore
/// export_plugin! { name: "openai", manifest: include_str!("manifest.json"), provider: OpenAi }
/// export_plugin! { name: "fallback", manifest: "{}", policy: Fallback }
/// ```
///
/// The plugin's version is its crate's. One export a binary: the symbol has one name.
#[macro_export]
macro_rules! export_plugin {
    (name: $name:expr, manifest: $manifest:expr, provider: $provider:ty $(,)?) => {
        const _: () = {
            static TABLE: $crate::__private::ProviderV1 = $crate::__private::provider_table::<$provider>();
    $crate::export_plugin!(@entry $name, $manifest, &TABLE, ::core::ptr::null());
        };
    };
    (name: $name:expr, manifest: $manifest:expr, policy: $policy:ty $(,)?) => {
        const _: () = {
            static TABLE: $crate::__private::PolicyV1 = $crate::__private::policy_table::<$policy>();
    $crate::export_plugin!(@entry $name, $manifest, ::core::ptr::null(), &TABLE);
        };
    };
    (@entry $name:expr, $manifest:expr, $provider:expr, $policy:expr) => {
        static PLUGIN: $crate::__private::PluginV1 = $crate::__private::descriptor(
            $name,
            ::core::env!("CARGO_PKG_VERSION"),
            $manifest,
            $provider,
            $policy,
        );

        #[unsafe(no_mangle)]
        extern "C" fn tidegate_plugin_entry_v1(
            _host: *const $crate::__private::HostV1,
        ) -> *const $crate::__private::PluginV1 {
            &PLUGIN
        }
    };
}
