//! What an effort of OpenAI's is to Claude. It is a hint, and never makes a request one that is refused: where the rest of
//! the request forbids thinking, there is none (Anthropic's guide to extended thinking, "Feature compatibility").

use serde_json::{Map, Value};
use tidegate_plugin_sdk::Fault;

use crate::model::Model;

/// Anthropic takes no smaller budget.
const LEAST: u64 = 1024;

/// What the messages say that thinking depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The last message of the assistant calls a tool, and no thought goes back. With a budget, calls must stand behind the
    /// thought that led to them, and many clients of chat completions lose it.
    pub lost_thought: bool,
    /// The last message is a text of the assistant's, with which a model may go on.
    pub begun: bool,
}

/// What becomes of an effort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// There is none, or it asks for no thinking.
    Off,
    /// The model decides itself how long it thinks, and is told this word.
    Word {
        /// Of `output_config.effort`.
        word: &'static str,
        /// Thinking goes with the rest of the request.
        thinks: bool,
    },
    /// A budget of tokens.
    Budget(u64),
    /// It cannot be had with the rest of the request.
    Lost,
}

/// Reads `reasoning_effort`, and what stands beside it.
///
/// # Errors
/// [`Fault::Invalid`]: it is none of the words.
pub fn effort(body: &Map<String, Value>, model: &str, past: Past) -> Result<Effort, Fault> {
    let Some(effort) = given(body, "reasoning_effort") else { return Ok(Effort::Off) };
    let (word, budget) = match effort.as_str().unwrap_or("") {
        "none" | "disable" => return Ok(Effort::Off),
        "minimal" | "low" => ("low", LEAST),
        "medium" => ("medium", 2048),
        "high" => ("high", 4096),
        "xhigh" if Model::of(model).knows_xhigh() => ("xhigh", 4096),
        "xhigh" => ("high", 4096),
        "max" => ("max", 4096),
        _ => {
            let words = "none, minimal, low, medium, high, xhigh or max";
            return Err(Fault::Invalid(format!("\"reasoning_effort\" must be {words}")));
        }
    };
    let model = Model::of(model);
    let begun = past.begun && model.takes_prefill();
    let fits = !(begun || forces_a_tool(body) || is_sampled(body));
    if model.thinks_by_effort() {
        return Ok(Effort::Word { word, thinks: fits });
    }
    // litellm's budgets, the smallest raised to what Anthropic takes. The client's limit is no hint: the budget must be below
    // it, and where that leaves too little there is no thinking.
    let limit = given(body, "max_completion_tokens").or_else(|| given(body, "max_tokens"));
    let budget = limit.and_then(Value::as_u64).map_or(budget, |limit| budget.min(limit.saturating_sub(1)));
    if !fits || past.lost_thought || budget < LEAST {
        return Ok(Effort::Lost);
    }
    Ok(Effort::Budget(budget))
}

fn given<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

/// "Thinking may not be enabled when tool_choice forces tool use."
fn forces_a_tool(body: &Map<String, Value>) -> bool {
    let Some(choice) = given(body, "tool_choice").or_else(|| given(body, "function_call")) else {
        return false;
    };
    let mode = match choice.get("allowed_tools") {
        Some(allowed) => allowed.get("mode"),
        None if choice.is_string() => Some(choice),
        None => choice.get("type"),
    };
    !matches!(mode.and_then(Value::as_str), Some("auto" | "none"))
}

/// A thinking model takes no temperature but 1, no `top_p` below 0.95, and no `top_k`.
fn is_sampled(body: &Map<String, Value>) -> bool {
    let number = |name: &str| given(body, name).and_then(Value::as_f64);
    #[expect(clippy::float_cmp, reason = "the number 1 as the client wrote it, not one that was computed")]
    let cool = number("temperature").is_some_and(|temperature| temperature != 1.0);
    cool || number("top_p").is_some_and(|top_p| top_p < 0.95)
        || given(body, "top_k").or_else(|| given(body, "topK")).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(model: &str, more: Value, past: Past) -> Effort {
        let mut body = json!({"reasoning_effort": "high"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        effort(body.as_object().unwrap(), model, past).unwrap()
    }

    #[test]
    fn what_forbids_thinking_goes_before_a_hint() {
        let named = json!({"type": "function", "function": {"name": "f"}});
        let some =
            |mode: &str| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": []}});
        for (more, fits) in [
            (json!({}), true),
            (json!({"tool_choice": "auto", "temperature": 1, "top_p": 0.95, "top_k": null}), true),
            (json!({"tool_choice": "none", "temperature": 1.0}), true),
            (json!({"tool_choice": {"type": "auto"}}), true),
            (json!({"tool_choice": some("auto")}), true),
            (json!({"tool_choice": "required"}), false),
            (json!({"tool_choice": named}), false),
            (json!({"tool_choice": some("required")}), false),
            (json!({"function_call": {"name": "f"}}), false),
            (json!({"temperature": 0.2}), false),
            (json!({"top_p": 0.9}), false),
            (json!({"top_k": 40}), false),
        ] {
            let old = if fits { Effort::Budget(4096) } else { Effort::Lost };
            assert_eq!(asked("claude-sonnet-4-5", more.clone(), Past::default()), old, "{more}");
            let new = Effort::Word { word: "high", thinks: fits };
            assert_eq!(asked("claude-opus-4-7", more.clone(), Past::default()), new, "{more}");
        }
    }

    #[test]
    fn a_budget_has_room_and_its_thoughts() {
        let limited = |limit: u64| asked("claude-sonnet-4-5", json!({"max_tokens": limit}), Past::default());
        assert_eq!((limited(3000), limited(1025)), (Effort::Budget(2999), Effort::Budget(1024)));
        assert_eq!((limited(1024), limited(500)), (Effort::Lost, Effort::Lost));
        for past in [Past { lost_thought: true, begun: false }, Past { lost_thought: false, begun: true }] {
            assert_eq!(asked("claude-sonnet-4-5", json!({}), past), Effort::Lost);
            let new = Effort::Word { word: "high", thinks: true };
            assert_eq!(asked("claude-opus-4-7", json!({"max_tokens": 500}), past), new);
        }
    }

    #[test]
    fn a_word_that_came_later_is_the_next_one_before() {
        for (model, word) in [("claude-opus-4-6", "high"), ("claude-opus-4-7", "xhigh")] {
            let asked = asked(model, json!({"reasoning_effort": "xhigh"}), Past::default());
            assert_eq!(asked, Effort::Word { word, thinks: true }, "{model}");
        }
    }
}
