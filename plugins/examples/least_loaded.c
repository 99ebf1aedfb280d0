/* A policy in C: weighted least connections. A call goes to the deployment that has the fewest calls in flight for its
 * weight; when it fails, to another one, each once, first of the group, then of its fallbacks. What failed rests 5 s.
 *
 *   cc -std=c11 -O2 -shared -fPIC -fvisibility=hidden -I ../abi/include least_loaded.c -o least_loaded.so */
#include "tidegate.h"
#include <string.h>

static int same(tg_str a, tg_str b) { return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0); }

/* Elements are as far apart as the host says: a later minor's are longer. */
static const tg_target_v1 *target(const tg_history_in_v1 *in, size_t at) {
  return (const tg_target_v1 *)((const char *)in->targets + at * in->target_stride);
}
static const tg_attempt_v1 *attempt(const tg_history_in_v1 *in, size_t at) {
  return (const tg_attempt_v1 *)((const char *)in->attempts + at * in->attempt_stride);
}

/* The least loaded free target of a group that this request has not called; n_targets: none. */
static size_t least(const tg_history_in_v1 *in, tg_str group) {
  size_t best = in->n_targets;
  for (size_t n = 0; n < in->n_targets; n++) {
    size_t at = (n + (size_t)(in->seed % in->n_targets)) % in->n_targets; /* of equal ones not always the first */
    const tg_target_v1 *it = target(in, at), *held = target(in, best < in->n_targets ? best : at);
    int called = it->cooldown_ms > 0 || (it->flags & (TG_TARGET_UNAVAILABLE | TG_TARGET_SPECIAL)) || !same(it->group, group);
    for (size_t i = 0; i < in->n_attempts; i++) called |= attempt(in, i)->target == at;
    uint64_t its = (it->inflight + 1ull) * held->weight, helds = (held->inflight + 1ull) * it->weight;
    if (!called && (best == in->n_targets || its < helds)) best = at;
  }
  return best;
}

static tg_status choose(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  const tg_attempt_v1 *last = in->n_attempts ? attempt(in, in->n_attempts - 1) : NULL;
  tg_str here = last && last->target < in->n_targets ? target(in, last->target)->group : in->group;
  (void)inst;
  if (last && in->n_targets > 1 && (last->flags & (TG_ATTEMPT_RETRYABLE | TG_ATTEMPT_QUOTA))) out->cooldown_ms = 5000;
  if (out->cooldown_ms && last->retry_after_ms > 5000 && last->retry_after_ms < 3600000) out->cooldown_ms = last->retry_after_ms;
  if (last && ((last->flags & TG_ATTEMPT_COMMITTED) || last->error == TG_ERR_BAD_REQUEST ||
               last->error == TG_ERR_CONTEXT_LENGTH || last->error == TG_ERR_CONTENT_FILTER)) return TG_OK; /* RAISE */
  out->target = (uint32_t)least(in, here);
  if (out->target < in->n_targets && (!last || in->retry_tokens > 0)) return out->action = TG_RETRY, TG_OK;
  for (size_t i = 0; out->action == TG_RAISE && i < in->n_targets; i++) {
    out->target = (uint32_t)least(in, target(in, i)->group);
    if (out->target < in->n_targets && !same(target(in, i)->group, here)) out->action = TG_FALLBACK;
  }
  return TG_OK;
}

static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  return (void)host, (void)config, (void)why, *inst = NULL, TG_OK; /* it needs to keep nothing */
}
static void destroy(void *inst) { (void)inst; }

static const tg_policy_v1 policy = {sizeof policy, 0, create, destroy, choose, choose};
static const tg_plugin_v1 plugin = {sizeof plugin, TG_ABI_MAJOR, TG_ABI_MINOR, 0, {(const uint8_t *)"least-loaded", 12},
                                    {(const uint8_t *)"1.0", 3}, {(const uint8_t *)"{}", 2}, NULL, &policy};

__attribute__((visibility("default"))) const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host);
const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host) { return (void)host, &plugin; }
