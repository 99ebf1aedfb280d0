# A formula for a tap of your own. It was checked with `ruby -c`, and was not run: no macOS was at hand.
# Set `url` and `sha256` to the archive of the sources that you publish.
class Tidegate < Formula
  desc "Daemon between LLM clients and LLM providers that cannot be hung"
  homepage "https://example.org/tidegate"
  url "https://example.org/tidegate-0.1.0.tar.gz"
  sha256 "0" * 64
  license "Apache-2.0"

  depends_on "rust" => :build

  def install
    system "cargo", "build", "--release", "--locked", "--workspace"
    # Plugins are found beside the executable.
    libexec.install "target/release/tidegate"
    libexec.install Dir["target/release/libtidegate_plugin_{anthropic,azure,bedrock,fallback,gemini,ollama,openai}.dylib"]
    bin.write_exec_script libexec/"tidegate"
    generate_completions_from_executable(bin/"tidegate", "completions")
    system bin/"tidegate", "manual", buildpath/"man"
    man1.install Dir[buildpath/"man/*.1"]
    (buildpath/"config.yaml").write <<~YAML
      model_list: []
      tidegate:
        listen: 127.0.0.1:4000
        admin: 127.0.0.1:4001
    YAML
    (etc/"tidegate").install "config.yaml"
    (pkgshare/"grafana").install Dir["dashboards/grafana/*"]
    (pkgshare/"prometheus").install "dashboards/prometheus/tidegate.rules.yml"
  end

  service do
    # launchd starts again after every code but 0, and a bad configuration does not get better by that.
    run [opt_bin/"tidegate", "serve", "--bad-config-exit", "0", "-c", etc/"tidegate/config.yaml"]
    keep_alive crashed: true, successful_exit: false
    error_log_path var/"log/tidegate.log"
    working_dir var
  end

  test do
    system bin/"tidegate", "check", etc/"tidegate/config.yaml"
  end
end
