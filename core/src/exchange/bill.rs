//! What a request's answers have cost in tokens, as the providers say; else guessed.

use super::Exchange;
use crate::dialects::{Dialect, Usage};
use crate::relay::reader::Spent;
use crate::traces::Note;

/// What all answers of one request have cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bill {
    /// `None`: no answer was given.
    pub(super) usage: Option<Usage>,
    /// A count in it is a guess.
    pub(super) estimated: bool,
}

/// Of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    usage: Usage,
    /// Those of its counts that nobody told.
    guessed_input: bool,
    guessed_output: bool,
}

impl Exchange {
    /// The answer of the attempt in flight, or what there was of it, has cost this. `whole`: it came to its good end, so that
    /// what its provider said is its last word.
    pub(super) fn spend(&mut self, spent: Spent, whole: bool) {
        let Some(running) = &self.running else { return };
        let counted = match self.request.dialect {
            Dialect::AnthropicCountTokens | Dialect::GeminiCountTokens => return,
            Dialect::OpenAiEmbeddings | Dialect::GeminiEmbed(_) => Spent { pieces: 0, ..spent },
            _ => spent,
        };
        let deployment = self.deployment(running.target);
        let cost = cost(counted, self.prompt_tokens(), whole);
        let usage = cost.usage;
        if deployment.counted {
            deployment.health.usage.tokens(usage.sum().unwrap_or(0));
        }
        deployment.series.spend(&usage, cost.guessed_input, cost.guessed_output);
        let estimated = cost.guessed_input || cost.guessed_output;
        self.visit.trace.note(|| Note::Spent(usage, estimated));
        self.bill.estimated |= estimated;
        self.bill.usage.get_or_insert_default().add(usage);
    }
}

/// `prompt`: about how long the prompt is, in tokens.
fn cost(spent: Spent, prompt: u64, whole: bool) -> Cost {
    let Spent { usage, pieces } = spent;
    let Usage { input, output, total, .. } = usage;
    if whole && usage.sum().is_some() {
        // Not every answer has tokens of its own: embeddings tell of the prompt alone.
        let others = |part: Option<u64>| total.map(|total| total.saturating_sub(part.unwrap_or(0)));
        let told = input.or_else(|| others(output));
        let output = output.or_else(|| others(told)).unwrap_or(0);
        let usage = Usage { input: told.or(Some(prompt)), output: Some(output), ..usage };
        return Cost { usage, guessed_input: told.is_none(), guessed_output: false };
    }
    // A stream that broke off may have told no more than what it began with.
    let pieces = Some(u64::from(pieces));
    let usage = Usage { input: input.or(Some(prompt)), output: output.max(pieces), total: None, ..usage };
    Cost { usage, guessed_input: input.is_none(), guessed_output: output < pieces }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: Option<u64>, output: Option<u64>, total: Option<u64>) -> Usage {
        Usage { input, output, total, ..Usage::default() }
    }

    #[test]
    fn what_is_told_counts_and_what_is_not_is_guessed() {
        for (told, pieces, whole, counts, guessed) in [
            (usage(Some(9), Some(3), Some(12)), 2, true, (9, 3), (false, false)),
            // More events than tokens: a whole answer's last word holds.
            (usage(Some(9), Some(3), None), 5, true, (9, 3), (false, false)),
            (usage(Some(9), Some(1), None), 5, false, (9, 5), (false, true)),
            (usage(Some(9), Some(7), Some(16)), 5, false, (9, 7), (false, false)),
            (usage(Some(9), None, Some(9)), 0, true, (9, 0), (false, false)),
            (usage(None, Some(3), Some(12)), 2, true, (9, 3), (false, false)),
            (usage(None, None, Some(12)), 2, true, (12, 0), (false, false)),
            (usage(None, Some(3), None), 2, true, (100, 3), (true, false)),
            (usage(None, None, None), 5, true, (100, 5), (true, true)),
            (usage(None, None, None), 5, false, (100, 5), (true, true)),
        ] {
            let cost = cost(Spent { usage: told, pieces }, 100, whole);
            let found = (cost.usage.input.unwrap(), cost.usage.output.unwrap());
            assert_eq!(found, counts, "{told:?} {pieces} {whole}");
            assert_eq!((cost.guessed_input, cost.guessed_output), guessed, "{told:?} {pieces} {whole}");
        }
    }
}
