/* A policy for Tidegate: it decides what follows a failed attempt. This one tries each deployment of the group once,
 * then each of its fallbacks. `tidegate.h` is the contract. */
#include "tidegate.h"
#include <string.h>

/* Of an array whose elements may be larger than this header knows. */
#define AT(type, array, stride, index) ((const type *)((const char *)(array) + (size_t)(index) * (stride)))

/* How long a deployment rests that asked to be left alone without saying how long. */
enum { REST_MS = 5000 };

static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  (void)host, (void)config, (void)why;
  *inst = NULL; /* nothing is kept: a decision follows from the history alone */
  return TG_OK;
}

static void destroy(void *inst) { (void)inst; }

static int same(tg_str a, tg_str b) { return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0); }

/* Can this deployment be called now, and was it not yet? */
static int is_free(const tg_history_in_v1 *in, uint32_t index) {
  const tg_target_v1 *target = AT(tg_target_v1, in->targets, in->target_stride, index);
  for (size_t i = 0; i < in->n_attempts; i++)
    if (AT(tg_attempt_v1, in->attempts, in->attempt_stride, i)->target == index) return 0;
  return !(target->flags & (TG_TARGET_UNAVAILABLE | TG_TARGET_SPECIAL)) && target->cooldown_ms == 0;
}

/* A free deployment of the group, or of any other, drawn with the history's seed: the same history must always give the
 * same answer, so a policy has no other source of chance. */
static int draw(const tg_history_in_v1 *in, tg_str group, int within, uint32_t *drawn) {
  uint64_t free = 0;
  for (int counting = 1; counting >= 0; counting--) {
    uint64_t left = counting || free == 0 ? 0 : in->seed % free;
    for (uint32_t i = 0; i < in->n_targets; i++) {
      const tg_target_v1 *target = AT(tg_target_v1, in->targets, in->target_stride, i);
      if (same(target->group, group) != within || !is_free(in, i)) continue;
      if (counting)
        free++;
      else if (left-- == 0)
        return *drawn = i, 1;
    }
  }
  return 0;
}

static tg_status decide(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  (void)inst;
  if (in->n_attempts == 0) return TG_OK; /* the host zeroed the answer: RAISE */
  const tg_attempt_v1 *last = AT(tg_attempt_v1, in->attempts, in->attempt_stride, in->n_attempts - 1);
  if (last->error == TG_ERR_RATE_LIMIT)
    out->cooldown_ms = last->flags & TG_ATTEMPT_HAS_RETRY_AFTER ? last->retry_after_ms : REST_MS;
  if ((last->flags & TG_ATTEMPT_COMMITTED) || in->attempts_left == 0) return TG_OK;
  tg_str group = last->target < in->n_targets ? AT(tg_target_v1, in->targets, in->target_stride, last->target)->group
                                              : in->group;
  if ((last->flags & TG_ATTEMPT_RETRYABLE) && draw(in, group, 1, &out->target))
    out->action = TG_RETRY;
  else if (draw(in, group, 0, &out->target))
    out->action = TG_FALLBACK;
  return TG_OK;
}

static const tg_policy_v1 policy = {
    .size = sizeof(tg_policy_v1),
    .create = create,
    .destroy = destroy,
    .decide = decide, /* no `pick`: the host draws the first target by weight */
};

#define NAME "patience"
#define VERSION "0.1.0"
static const tg_plugin_v1 plugin = {
    .size = sizeof(tg_plugin_v1),
    .abi_major = TG_ABI_MAJOR,
    .abi_minor = TG_ABI_MINOR,
    .name = {(const uint8_t *)NAME, sizeof NAME - 1},
    .version = {(const uint8_t *)VERSION, sizeof VERSION - 1},
    .manifest = {(const uint8_t *)"{}", 2},
    .policy = &policy,
};

/* The one symbol that is exported. */
__attribute__((visibility("default"))) const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host) {
  (void)host;
  return &plugin;
}
