/* Chooses the target whose number is what it was told: 0 for a whole answer, 1 for a stream, 2 for a long prompt; nobody
 * where the core told less than it knows. */
#include "tidegate.h"
#include <string.h>

static int told(const tg_history_in_v1 *in) {
  const uint32_t prices = TG_TARGET_HAS_INPUT_COST | TG_TARGET_HAS_OUTPUT_COST;
  const tg_target_v1 *it = in->targets; /* of the same minor as this file: no stride is needed */
  return in->n_targets == 4 && in->prompt_tokens > 0 && it[0].flags == prices && it[0].input_cost == 150000 &&
         it[0].output_cost == 0 && it[1].flags == TG_TARGET_HAS_OUTPUT_COST && it[1].output_cost == 1 &&
         it[2].flags == 0 && it[3].flags == TG_TARGET_SPECIAL && it[0].id.len == 5 && !memcmp(it[0].id.ptr, "first", 5);
}
static tg_status pick(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  (void)inst;
  out->action = told(in) ? TG_RETRY : TG_RAISE;
  out->target = in->prompt_tokens > 1000 ? 2 : in->flags == TG_HISTORY_STREAM ? 1 : in->flags == TG_HISTORY_WHOLE ? 0 : 9;
  return TG_OK;
}
static tg_status decide(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  return (void)inst, (void)in, (void)out, TG_OK;
}
static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  return (void)host, (void)config, (void)why, *inst = NULL, TG_OK;
}
static void destroy(void *inst) { (void)inst; }

static const tg_policy_v1 policy = {sizeof policy, 0, create, destroy, decide, pick};
static const tg_plugin_v1 plugin = {sizeof plugin, TG_ABI_MAJOR, TG_ABI_MINOR, 0, {(const uint8_t *)"witness", 7},
                                    {(const uint8_t *)"1.0", 3}, {(const uint8_t *)"{}", 2}, NULL, &policy};

__attribute__((visibility("default"))) const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host);
const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host) { return (void)host, &plugin; }
