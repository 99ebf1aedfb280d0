/* A provider and a policy as somebody wrote them for an older minor: every function, and every field that the minor has.
 * What comes in is folded into a number, field by field, and the answer tells it; the host's test folds what it lent.
 *
 * Nothing above the first `#if` may use a name that minor 0 does not have. A new minor adds its fields below its own. */
#include "tidegate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MINOR
#define MINOR TG_ABI_MINOR
#endif
#ifndef TAIL /* what a later minor would have after the fields that this one knows */
#define TAIL 1
#endif
#define S(literal) ((tg_str){(const uint8_t *)(literal), sizeof(literal) - 1})
#define IS(s, literal) ((s).len == sizeof(literal) - 1 && memcmp((s).ptr, literal, sizeof(literal) - 1) == 0)

/* FNV-1a over eight bytes a number; a string is its length and its bytes. */
static void number(uint64_t *fold, uint64_t value) {
  for (int i = 0; i < 8; i++) *fold = (*fold ^ (value >> (8 * i) & 255)) * 1099511628211u;
}
static void text(uint64_t *fold, tg_str value) {
  number(fold, value.len);
  for (size_t i = 0; i < value.len; i++) number(fold, value.ptr[i]);
}
static void pairs(uint64_t *fold, const tg_kv *kv, size_t count) {
  number(fold, count);
  for (size_t i = 0; i < count; i++) text(fold, kv[i].name), text(fold, kv[i].value);
}
static tg_status told(uint64_t fold, tg_status (*write)(void *, tg_str), void *ctx) {
  char words[24];
  int length = snprintf(words, sizeof words, "%llu", (unsigned long long)fold);
  return write(ctx, (tg_str){(const uint8_t *)words, (size_t)length});
}

typedef struct { const tg_host_v1 *host; uint64_t config; } instance;
typedef struct { const tg_host_v1 *host; uint64_t head; int ended; } stream_of;

static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  instance *made = malloc(sizeof *made);
  *made = (instance){host, 0};
  text(&made->config, config);
  if (config.len < 3) return free(made), why->write(why->ctx, S("nothing ")), why->write(why->ctx, S("is set")), TG_E_CONFIG;
  host->log(host->ctx, TG_LOG_INFO, S("created"));
  return *inst = made, TG_OK;
}
static void destroy(void *inst) {
  const tg_host_v1 *host = ((instance *)inst)->host;
  free(inst);
  host->log(host->ctx, TG_LOG_INFO, S("destroyed"));
}

static tg_status request(void *inst, const tg_request_in_v1 *in, const tg_request_out_v1 *out, const tg_text_out_v1 *why) {
  uint64_t fold = ((instance *)inst)->config;
  tg_auth_v1 auth = {.size = sizeof auth, .scheme = TG_AUTH_HEADER, .secret = S("api_key"), .header = S("x-key"), .prefix = S("pre ")};
  tg_response_v1 response = {.size = sizeof response, .flags = TG_RESPONSE_EVERY_EVENT};
  response.dialect = TG_DIALECT_GEMINI_GENERATE, response.framing = TG_FRAMING_JSON_LINES;
  if (IS(in->model, "refused")) return why->write(why->ctx, S("not this one")), TG_E_UNSUPPORTED;
  number(&fold, in->flags), number(&fold, in->dialect), text(&fold, in->model), text(&fold, in->body);
  number(&fold, in->model_at), number(&fold, in->model_len), pairs(&fold, in->headers, in->n_headers);
  out->target(out->ctx, S("PUT"), S("http://127.0.0.1:9/frozen"));
  out->header(out->ctx, S("x-frozen"), S("yes"));
  out->auth(out->ctx, &auth);
  out->response(out->ctx, &response);
  out->body(out->ctx, S("fold "));
  return told(fold, out->body, out->ctx);
}

static uint64_t of_head(const tg_head_in_v1 *head) {
  uint64_t fold = 0;
  number(&fold, head->http_status), number(&fold, head->dialect), number(&fold, head->framing), text(&fold, head->model);
  pairs(&fold, head->headers, head->n_headers), number(&fold, head->unix_ms), number(&fold, head->seed);
  return fold;
}
static tg_status stream_open(void *inst, const tg_head_in_v1 *head, void **stream) {
  stream_of *made = malloc(sizeof *made);
  *made = (stream_of){((instance *)inst)->host, of_head(head), 0};
  return *stream = made, TG_OK;
}
static tg_status note_all(const tg_stream_out_v1 *out) {
  for (uint32_t kind = TG_NOTE_TOKENS_IN; kind <= TG_NOTE_TOKENS_REASONING; kind++) out->note(out->ctx, kind, kind * 10u);
  return TG_OK;
}
static const tg_stream_out_v1 *the_out;
static tg_status as_event(void *ctx, tg_str data) { return the_out->event(ctx, S("fold"), data); }
static tg_status stream_event(void *stream, const tg_event_in_v1 *in, const tg_stream_out_v1 *out) {
  uint64_t fold = ((stream_of *)stream)->head;
  if (IS(in->data, "pass")) return TG_PASS;
  if (IS(in->data, "upstream")) return TG_E_UPSTREAM;
  if (IS(in->data, "notes")) return note_all(out);
  if (IS(in->data, "end")) return ((stream_of *)stream)->ended = 1, out->note(out->ctx, TG_NOTE_DONE, 0), TG_OK;
  number(&fold, in->flags), text(&fold, in->name), text(&fold, in->data);
  return the_out = out, told(fold, as_event, out->ctx);
}
static tg_status stream_end(void *stream, const tg_stream_out_v1 *out) {
  if (!((stream_of *)stream)->ended) return TG_E_TRUNCATED;
  return out->event(out->ctx, S(""), S("last")), TG_OK;
}
static void stream_close(void *stream, uint32_t why) {
  const tg_host_v1 *host = ((stream_of *)stream)->host;
  free(stream);
  host->log(host->ctx, TG_LOG_INFO, why == TG_CLOSE_CANCELLED ? S("closed: cancelled") : why ? S("closed: failed") : S("closed: end"));
}
static tg_status response(void *inst, const tg_head_in_v1 *head, tg_str body, const tg_text_out_v1 *out) {
  uint64_t fold = of_head(head);
  (void)inst;
  if (IS(body, "pass")) return TG_PASS;
  text(&fold, body);
  return told(fold, out->write, out->ctx);
}
static tg_status classify(void *inst, const tg_failure_in_v1 *in, tg_class_v1 *out, const tg_class_out_v1 *said) {
  uint64_t fold = out->error * 1000000u + out->http_status * 1000u + out->flags;
  (void)inst;
  number(&fold, in->phase), number(&fold, in->http_status), pairs(&fold, in->headers, in->n_headers);
  text(&fold, in->event), text(&fold, in->body), number(&fold, in->unix_ms), number(&fold, in->bytes_to_client);
  out->error = TG_ERR_RATE_LIMIT, out->http_status = 429, out->retry_after_ms = 1500;
  out->flags = TG_CLASS_QUOTA | TG_CLASS_HAS_RETRY_AFTER;
  told(fold, said->message, said->ctx);
  return said->code(said->ctx, S("frozen"));
}

static uint64_t of_history(const tg_history_in_v1 *in) {
  uint64_t fold = 0;
  number(&fold, in->now_ms), number(&fold, in->deadline_ms), number(&fold, in->seed);
  number(&fold, in->attempts_left), number(&fold, in->retry_tokens), text(&fold, in->group), text(&fold, in->options);
  for (size_t i = 0; i < in->n_attempts; i++) {
    const tg_attempt_v1 *it = (const tg_attempt_v1 *)((const char *)in->attempts + i * in->attempt_stride);
    number(&fold, it->target), number(&fold, it->error), number(&fold, it->http_status), number(&fold, it->flags);
    number(&fold, it->started_ms), number(&fold, it->ended_ms), number(&fold, it->retry_after_ms);
    number(&fold, it->bytes_to_client);
  }
  for (size_t i = 0; i < in->n_targets; i++) {
    const tg_target_v1 *it = (const tg_target_v1 *)((const char *)in->targets + i * in->target_stride);
    text(&fold, it->id), text(&fold, it->group), number(&fold, it->weight), number(&fold, it->order);
    number(&fold, it->flags), number(&fold, it->inflight), number(&fold, it->fails_minute), number(&fold, it->oks_minute);
    number(&fold, it->cooldown_ms), number(&fold, it->latency_us);
#if TG_ABI_MINOR >= 1
    number(&fold, it->fails_recent), number(&fold, it->requests_minute);
    number(&fold, it->tokens_minute), number(&fold, it->answer_us);
#endif
#if TG_ABI_MINOR >= 2
    number(&fold, it->input_cost), number(&fold, it->output_cost), number(&fold, it->total_us);
#endif
  }
#if TG_ABI_MINOR >= 2
  number(&fold, in->flags), number(&fold, in->prompt_tokens);
#endif
  return fold;
}
static tg_status decide(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  (void)inst;
  if (IS(in->options, "raise")) return TG_OK;
  out->action = in->n_attempts ? TG_FALLBACK : TG_RETRY;
  out->target = 1, out->reason = 7, out->cooldown_ms = 9, out->delay_ms = of_history(in);
  return TG_OK;
}
static tg_status pick(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  (void)inst;
  out->action = TG_RETRY, out->target = (uint32_t)(of_history(in) % in->n_targets);
  return IS(in->options, "host") ? TG_PASS : TG_OK;
}

static const struct { tg_provider_v1 table; uint64_t tail[TAIL]; } provider = {
  {TAIL > 1 ? sizeof provider : sizeof(tg_provider_v1), 0, create, destroy, request, stream_open, stream_event, stream_end,
   stream_close, response, classify}, {~0ull}};
static const struct { tg_policy_v1 table; uint64_t tail[TAIL]; } policy = {
  {TAIL > 1 ? sizeof policy : sizeof(tg_policy_v1), 0, create, destroy, decide, pick}, {~0ull}};
#define MANIFEST "{\"providers\": [{\"prefix\": \"frozen\", \"dialects\": [\"openai-chat\", \"of-tomorrow\"]}], \"later\": 1}"
static const struct { tg_plugin_v1 table; uint64_t tail[TAIL]; } plugin = {
  {TAIL > 1 ? sizeof plugin : sizeof(tg_plugin_v1), TG_ABI_MAJOR, MINOR, 0, {(const uint8_t *)"frozen", 6},
   {(const uint8_t *)"1.0", 3}, {(const uint8_t *)MANIFEST, sizeof MANIFEST - 1}, &provider.table, &policy.table}, {~0ull}};

__attribute__((visibility("default"))) const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host);
const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host) {
  return host->size >= sizeof(tg_host_v1) ? &plugin.table : NULL;
}
