/* tidegate.h - the native plugin ABI of Tidegate, major 1.
 *
 * A plugin is a shared library that exports one symbol, `tidegate_plugin_entry_v1`. It is sans-IO: it turns a
 * request into an HTTP request, upstream events into client events, a failure into a class, a history into a
 * decision. It never opens a socket, reads a clock or the environment, sleeps, blocks, forks or spawns: the host
 * owns IO, TLS, timers, retries and keys.
 *
 * Ownership. Every pointer passed in is borrowed for that call. Output goes through sinks, which copy. Each side
 * frees what it allocated: `create` pairs with `destroy`, `stream_open` with `stream_close`, exactly once each.
 * The descriptor, its tables and its strings have static storage. No allocator crosses.
 *
 * Threads. Calls that take `inst` may run at the same time on any threads. One `stream` is used by one thread at a
 * time and may move between threads. A sink must not be used after the call that lent it, nor call back in.
 *
 * Versions. The major is in the entry symbol's name. Within a major, structs and tables grow at the end only: each
 * is led by its `size`, a reader uses a field only when it lies within that size, and an array of structs comes
 * with its stride. Enumerations are uint32_t, 0 is "unknown" or the default, and an unknown value is to be taken as
 * 0. The plain pairs tg_str and tg_kv never grow.
 *
 * Panics, exceptions and longjmp must not cross: return TG_E_PANIC. After it the host uses neither that stream nor,
 * if it came from an instance call, that answer.
 *
 * Budgets (measured by the host and exported, not enforced inline): 50 us per event, 1 ms per request or decision. */
#ifndef TIDEGATE_H
#define TIDEGATE_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_ABI_MAJOR 1u
#define TG_ABI_MINOR 2u
#define TG_ENTRY_SYMBOL "tidegate_plugin_entry_v1"

/* Whether a field lies within a struct's `size`, or within an array's stride: an older host's are shorter. Since minor 2. */
#define TG_COVERS(size, type, field) ((size) >= offsetof(type, field) + sizeof(((type *)0)->field))

/* Bytes, borrowed for the call; no terminating NUL; `ptr` may be NULL when `len` is 0. UTF-8 where it is text. */
typedef struct tg_str { const uint8_t *ptr; size_t len; } tg_str;
typedef struct tg_kv { tg_str name; tg_str value; } tg_kv;

/* 1: use the input unchanged. 0: done. Negative: failed. */
typedef int32_t tg_status;
enum {
  TG_PASS = 1,
  TG_OK = 0,
  TG_E_PANIC = -1,       /* caught in the plugin; the stream is poisoned */
  TG_E_INVALID = -2,     /* the arguments, or the client's request, are not valid */
  TG_E_CONFIG = -3,      /* `create`: the configuration is not usable; `why` says what is wrong */
  TG_E_PROTOCOL = -4,    /* the upstream's bytes are malformed */
  TG_E_LIMIT = -5,       /* a sink's cap is reached: return */
  TG_E_TRUNCATED = -6,   /* `stream_end`: the upstream ended without its terminal marker */
  TG_E_UNSUPPORTED = -7, /* the request needs what this provider cannot do */
  TG_E_UPSTREAM = -8     /* the event is the provider's error form: the host calls `classify` with it */
};

/* Levels of `log`. */
enum { TG_LOG_ERROR = 1, TG_LOG_WARN = 2, TG_LOG_INFO = 3, TG_LOG_DEBUG = 4 };

/* What the host offers. Lives as long as the process; `log` may be called from any thread. */
typedef struct tg_host_v1 {
  uint32_t size, minor;
  void *ctx;
  void (*log)(void *ctx, uint32_t level, tg_str message);
} tg_host_v1;

/* A sink for text. May be written to several times: the pieces are joined. */
typedef struct tg_text_out_v1 {
  uint32_t size, reserved;
  void *ctx;
  tg_status (*write)(void *ctx, tg_str utf8);
} tg_text_out_v1;

/* ---- provider ---------------------------------------------------------------------------------------------- */

/* A dialect is the JSON that a client and a server agreed on. OPENAI_CHAT is the canonical one: a provider that
 * does not speak the client's dialect is given, and answers in, that one; but for embeddings and counts of tokens, which
 * only a provider is asked that lists them. */
enum {
  TG_DIALECT_UNKNOWN = 0,
  TG_DIALECT_OPENAI_CHAT = 1,
  TG_DIALECT_OPENAI_RESPONSES = 2,
  TG_DIALECT_ANTHROPIC_MESSAGES = 3,
  TG_DIALECT_GEMINI_GENERATE = 4,
  TG_DIALECT_OPENAI_COMPLETIONS = 5,
  TG_DIALECT_OPENAI_EMBEDDINGS = 6,
  TG_DIALECT_BEDROCK_CONVERSE = 7,
  TG_DIALECT_ANTHROPIC_COUNT_TOKENS = 8, /* since minor 2: the answer is a count, never a stream */
  TG_DIALECT_GEMINI_COUNT_TOKENS = 9     /* since minor 2: the same */
};

/* How events are told apart in a body. AUTO: by the response's content type.
 * AWS_EVENTSTREAM: checksums are the host's to check. A message of the type `exception` or `error` is an error by the
 * framing's own word and ends the stream: the host calls `classify`, with its `:exception-type` or `:error-code` as the
 * event and its payload, else its `:error-message`, as the body; `stream_event` never sees one. */
enum {
  TG_FRAMING_AUTO = 0,
  TG_FRAMING_SSE = 1,
  TG_FRAMING_JSON_LINES = 2,
  TG_FRAMING_JSON_ARRAY = 3,
  TG_FRAMING_AWS_EVENTSTREAM = 4
};

/* How the host authenticates the upstream request. `secret` names one of the configuration's secrets; the plugin
 * never sees its value.
 *   BEARER        `authorization: Bearer SECRET`
 *   HEADER        `HEADER: PREFIX SECRET` with `header` and `prefix` as given, joined without a space
 *   GOOGLE_OAUTH  a bearer token for `scope`, from the credentials that the secret holds, else from the
 *                 application default credentials, else from the metadata server
 *   AWS_SIGV4     signed for the service `scope` in `region` */
enum {
  TG_AUTH_NONE = 0,
  TG_AUTH_BEARER = 1,
  TG_AUTH_HEADER = 2,
  TG_AUTH_GOOGLE_OAUTH = 3,
  TG_AUTH_AWS_SIGV4 = 4
};
typedef struct tg_auth_v1 {
  uint32_t size, scheme;
  tg_str secret, header, prefix, scope, region;
} tg_auth_v1;

enum { TG_REQUEST_STREAM = 1u }; /* flags of tg_request_in_v1 */
typedef struct tg_request_in_v1 {
  uint32_t size, flags;
  uint32_t dialect;  /* of `body`: one that the manifest lists, else OPENAI_CHAT */
  uint32_t reserved;
  tg_str model;      /* the upstream's name of the model */
  tg_str body;       /* JSON object; the configuration's default parameters are merged in already */
  uint64_t model_at; /* where the value of the top-level "model" stands in `body`, quotes included; */
  uint64_t model_len; /* 0: not known */
  const tg_kv *headers; /* the client's headers that are meant for the provider; names in lower case */
  size_t n_headers;
} tg_request_in_v1;

/* What the upstream will answer with. */
enum { TG_RESPONSE_EVERY_EVENT = 1u }; /* flags: call stream_event even when the dialect is the client's */
typedef struct tg_response_v1 {
  uint32_t size, flags;
  uint32_t dialect; /* of a 2xx body. The client's own: the host passes the bytes and inspects them itself */
  uint32_t framing;
} tg_response_v1;

typedef struct tg_request_out_v1 {
  uint32_t size, reserved;
  void *ctx;
  tg_status (*target)(void *ctx, tg_str method, tg_str absolute_url);
  /* content-type is application/json if not set here. "x-tidegate-dropped" is not sent: its value, names of parameters with
   * commas between them, tells the client what the provider left out of its request. */
  tg_status (*header)(void *ctx, tg_str name, tg_str value);
  tg_status (*auth)(void *ctx, const tg_auth_v1 *auth);
  tg_status (*response)(void *ctx, const tg_response_v1 *response); /* not called: OPENAI_CHAT, AUTO */
  tg_status (*body)(void *ctx, tg_str piece); /* pieces are joined */
} tg_request_out_v1;

typedef struct tg_head_in_v1 {
  uint32_t size, http_status;
  uint32_t dialect; /* the client's */
  uint32_t framing; /* as it was resolved */
  tg_str model;     /* the name the client asked for */
  const tg_kv *headers;
  size_t n_headers;
  uint64_t unix_ms; /* the wall clock when the response head came */
  uint64_t seed;    /* a random number, for ids */
} tg_head_in_v1;

/* STRAY: the framing did not understand this text (a bare JSON document among SSE events, say). */
enum { TG_EVENT_STRAY = 1u };
typedef struct tg_event_in_v1 {
  uint32_t size, flags;
  tg_str name; /* SSE `event:`, AWS `:event-type`; else empty */
  tg_str data;
} tg_event_in_v1;

/* Counts of tokens are the stream's totals so far: the last note of a kind holds. */
enum {
  TG_NOTE_TOKENS_IN = 1,
  TG_NOTE_TOKENS_OUT = 2,
  TG_NOTE_TOKENS_CACHED = 3,
  TG_NOTE_TOKENS_REASONING = 4,
  TG_NOTE_DONE = 5, /* the upstream's terminal marker was seen, nothing follows: the host need not wait for the end */
  TG_NOTE_TOKENS_CACHE_WRITE = 6, /* since minor 2 */
  TG_NOTE_FINISHED = 7 /* since minor 2: 1: the answer has said why it ended and is whole unless more comes, so that the host
    waits for no more than a grace, and a connection that breaks now takes nothing away; 0: not after all */
};
typedef struct tg_stream_out_v1 {
  uint32_t size, reserved;
  void *ctx;
  tg_status (*event)(void *ctx, tg_str name, tg_str data); /* one event in the head's dialect, else OPENAI_CHAT */
  tg_status (*note)(void *ctx, uint32_t kind, uint64_t value);
} tg_stream_out_v1;

enum { TG_CLOSE_END = 0, TG_CLOSE_CANCELLED = 1, TG_CLOSE_FAILED = 2 };

enum {
  TG_ERR_UNKNOWN = 0,
  TG_ERR_RATE_LIMIT = 1,
  TG_ERR_OVERLOADED = 2,
  TG_ERR_AUTH = 3,
  TG_ERR_BAD_REQUEST = 4,
  TG_ERR_CONTEXT_LENGTH = 5,
  TG_ERR_CONTENT_FILTER = 6,
  TG_ERR_TIMEOUT = 7,
  TG_ERR_TRANSPORT = 8, /* refused, reset, TLS, DNS: no answer came */
  TG_ERR_SERVER = 9,
  TG_ERR_NOT_FOUND = 10,
  TG_ERR_PERMISSION = 11,
  TG_ERR_TRUNCATED = 12, /* the answer ended before its end */
  TG_ERR_MALFORMED = 13  /* the answer is not in the provider's dialect */
};

enum { TG_PHASE_UNKNOWN = 0, TG_PHASE_STATUS = 1, TG_PHASE_STREAM = 2, TG_PHASE_BODY = 3 };
typedef struct tg_failure_in_v1 {
  uint32_t size, phase; /* STATUS: the HTTP status failed; STREAM: an event did; BODY: a 2xx body did */
  uint32_t http_status, reserved;
  const tg_kv *headers;
  size_t n_headers;
  tg_str event;     /* its name, when the phase is STREAM */
  tg_str body;      /* the body, cut at a cap; or the event's data */
  uint64_t unix_ms; /* the wall clock, for Retry-After dates */
  uint64_t bytes_to_client;
} tg_failure_in_v1;

enum {
  TG_CLASS_RETRYABLE = 1u,      /* the same request may succeed later */
  TG_CLASS_QUOTA = 2u,          /* a quota that does not come back in minutes: retrying is useless */
  TG_CLASS_HAS_RETRY_AFTER = 4u /* retry_after_ms was said by the upstream */
};
/* The host fills in the defaults of the HTTP status before the call. */
typedef struct tg_class_v1 {
  uint32_t size, flags;
  uint32_t error, http_status; /* the status to tell the client: the upstream's own, from the body when it is there */
  uint64_t retry_after_ms;
} tg_class_v1;
typedef struct tg_class_out_v1 {
  uint32_t size, reserved;
  void *ctx;
  tg_status (*message)(void *ctx, tg_str utf8); /* for people; not called: the host words it */
  /* The provider's own word, such as "insufficient_quota". "no_such_path" for a 404 or 405 says that the server does not have
   * the dialect's path at all: the host asks in the canonical dialect then, and from then on. Any other word says that the
   * path is there. Without one the host takes a 404 or 405 for a path that is not. */
  tg_status (*code)(void *ctx, tg_str utf8);
} tg_class_out_v1;

/* The configuration of `create`, a JSON object:
 *   {"provider": PREFIX, "model": NAME, "params": {...}, "secrets": [NAME, ...]}
 * `params` are the deployment's parameters with the manifest's defaults, without secrets; `secrets` names those
 * that the host holds. A vendor, from the manifest or from a vendor file, adds "vendor": {"quirks": {...}}. Ignore
 * members that you do not know. */
typedef struct tg_provider_v1 {
  uint32_t size, reserved;
  tg_status (*create)(const tg_host_v1 *host, tg_str config_json, const tg_text_out_v1 *why, void **inst);
  void (*destroy)(void *inst);
  /* `why` is told to the client when the answer is TG_E_INVALID or TG_E_UNSUPPORTED. */
  tg_status (*request)(void *inst, const tg_request_in_v1 *in, const tg_request_out_v1 *out,
                       const tg_text_out_v1 *why);
  tg_status (*stream_open)(void *inst, const tg_head_in_v1 *head, void **stream);
  /* PASS: forward the data as it is. */
  tg_status (*stream_event)(void *stream, const tg_event_in_v1 *in, const tg_stream_out_v1 *out);
  /* The upstream's body ended cleanly. Two answers: TG_OK, done (a last event may be written); TG_E_TRUNCATED. */
  tg_status (*stream_end)(void *stream, const tg_stream_out_v1 *out);
  void (*stream_close)(void *stream, uint32_t why);
  /* A whole 2xx body that is not a stream. PASS: forward it as it is. */
  tg_status (*response)(void *inst, const tg_head_in_v1 *head, tg_str body, const tg_text_out_v1 *out);
  tg_status (*classify)(void *inst, const tg_failure_in_v1 *in, tg_class_v1 *out, const tg_class_out_v1 *text);
} tg_provider_v1;

/* ---- policy ------------------------------------------------------------------------------------------------ */

enum {
  TG_ATTEMPT_HAS_RETRY_AFTER = 1u,
  TG_ATTEMPT_COMMITTED = 2u, /* content had gone to the client: only RAISE (or CONTINUE) is possible */
  TG_ATTEMPT_QUOTA = 4u,
  TG_ATTEMPT_RETRYABLE = 8u
};
typedef struct tg_attempt_v1 {
  uint32_t target, error, http_status, flags;
  uint64_t started_ms, ended_ms, retry_after_ms, bytes_to_client;
} tg_attempt_v1;

enum {
  TG_TARGET_UNAVAILABLE = 1u,    /* its provider is quarantined, or it is at its limit of parallel calls */
  TG_TARGET_HAS_INPUT_COST = 2u, /* since minor 2: the price is known; a known price may be 0 */
  TG_TARGET_HAS_OUTPUT_COST = 4u,
  TG_TARGET_SPECIAL = 8u /* since minor 2: its group follows a prompt that is too long or refused, no other failure */
};
typedef struct tg_target_v1 {
  tg_str id;    /* of the deployment */
  tg_str group; /* the model group that it serves */
  uint32_t weight, order, flags, inflight;
  uint32_t fails_minute, oks_minute; /* over the last 60 s, this failure included */
  uint64_t cooldown_ms;              /* what is left of its cooldown; 0: none */
  uint64_t latency_us;               /* a moving average to the first content; 0: not known */
  /* Since minor 1. Failures of which none came later after the one before than its cooldown time; this one included. */
  uint32_t fails_recent;
  uint32_t requests_minute; /* calls that began in this minute of the clock; 0 also where they are not counted */
  uint64_t tokens_minute;   /* the same of the tokens that its answers cost */
  uint64_t answer_us;       /* an average over the last answers of the request's kind: to the first content of a stream, by
                               token of a whole answer; 0: not known, or not measured */
  /* Since minor 2. Prices are as the configuration has them, in 1e-12 US dollars: whole numbers, so that sums are exact
   * and the answer is the same on every machine. */
  uint64_t input_cost;  /* of a token of the prompt; see the flags */
  uint64_t output_cost; /* of a token of the answer; see the flags */
  uint64_t total_us;    /* a moving average from the call to the end of a good answer; 0: not known */
} tg_target_v1;

enum { /* flags of tg_history_in_v1, since minor 2: how the client wants its answer; neither: not said */
  TG_HISTORY_STREAM = 1u,
  TG_HISTORY_WHOLE = 2u
};
/* What has happened to one request. Times are milliseconds since the request came. */
typedef struct tg_history_in_v1 {
  uint32_t size, flags;
  uint64_t now_ms, deadline_ms;
  uint64_t seed; /* a random number: with the same input, the answer must be the same */
  uint32_t attempts_left, retry_tokens;
  tg_str group;   /* the group that the client asked for */
  tg_str options; /* request-level options, a JSON object, or empty */
  const tg_attempt_v1 *attempts; /* oldest first; empty when `pick` is asked for the first target */
  size_t n_attempts, attempt_stride;
  const tg_target_v1 *targets; /* every deployment of the group and of the groups it can fall back to */
  size_t n_targets, target_stride;
  uint64_t prompt_tokens; /* since minor 2: about how long the prompt is, by the request's bytes; 0: not known */
} tg_history_in_v1;

enum {
  TG_RAISE = 0,    /* give the client the last error */
  TG_RETRY = 1,    /* a target of the same group */
  TG_FALLBACK = 2, /* a target of another group */
  TG_CONTINUE = 3  /* committed: continue the text on another target */
};
/* The host zeroes it first, so the default is RAISE. It clamps the delay to the deadline, takes an attempt from the
 * request's budget, and turns an answer that is not possible into RAISE: a policy can only narrow. */
typedef struct tg_action_v1 {
  uint32_t size, action;
  uint32_t target, reason;
  uint64_t delay_ms;
  uint64_t cooldown_ms; /* put the target of the last attempt aside for so long; 0: do not */
} tg_action_v1;

/* The configuration of `create`, a JSON object: {"router": {...}, "groups": {NAME: {...}},
 * "deployments": {ID: {...}}, "params": {...}}; what is in it is documented with the policy that reads it. `params`, since
 * minor 2, are as the configuration has them for this policy. */
typedef struct tg_policy_v1 {
  uint32_t size, reserved;
  tg_status (*create)(const tg_host_v1 *host, tg_str config_json, const tg_text_out_v1 *why, void **inst);
  void (*destroy)(void *inst);
  tg_status (*decide)(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out);
  /* Chooses the first target of a request: RETRY with `target`, or RAISE when none will do. PASS, or NULL instead of
   * the function: the host draws one by weight among those that are not cooling. */
  tg_status (*pick)(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out);
} tg_policy_v1;

/* ---- plugin ------------------------------------------------------------------------------------------------ */

/* `manifest` is a JSON object. For a provider:
 *   {"providers": [{"prefix": "gemini", "dialects": ["openai-chat"],
 *                   "params":  {"api_base": {"env": ["X_BASE"], "default": "https://..."}},
 *                   "secrets": {"api_key": {"env": ["X_KEY"], "default": "none", "required": true}},
 *                   "models":  ["gemini-*"], "prefill": "assistant"}]}
 * A request in the canonical dialect that was another dialect's says more than OpenAI's chat completions do. "extensions"
 * lists what of that a provider takes: "thinking" and "output_config" (Anthropic's words for how much to think),
 * "cache_control", "reasoning_content" and "thinking_blocks" of earlier answers, "signatures" ("extra_content" and
 * "provider_specific_fields"), "is_error" of a tool's result, "tool_media" (more than text in one). Without the list it is
 * given all; what is not on it is left out, or said in OpenAI's words.
 * `prefix` is what stands before the first "/" of a configured model; `models` are bare names it claims. A secret that is
 * required may name others with "or": [NAME, ...], of which one is enough.
 * Models that take other client dialects than `dialects` stand in "dialects_by_model": {"claude-*": ["anthropic-messages"]}:
 * `*` at the end is any rest, and of several that fit the longest holds. "extensions_by_model" and "prefill_by_model" say
 * the same of `extensions` and `prefill`. A provider whose "dialects_by_model" has a pattern for models that begin with
 * "responses/" gets that before the names of models that the configuration says are asked by the Responses API alone.
 * `prefill` says how a model goes on with a text that was begun: "assistant", by a last message of the assistant;
 * "prefix", by one with "prefix": true; "continue_final_message", by that parameter. Without it the host asks in words.
 * "stream_usage": "ask" says that streams which pass through in OpenAI's chat dialect tell their usage only with
 * stream_options.include_usage: the host then asks, where the client did not, and keeps from it what that brings.
 * A provider may also have "headers": {"x-name": {"env": [...], "default": "..."}}, sent with every request, and
 * "vendor": {...}, handed to `create` as it is. Beside "providers" a plugin that serves vendors described by users'
 * files has "vendors": {"dialects": [...], "optional": [...], "extensions": [...], "dialects_by_model": {...},
 * "extensions_by_model": {...}, "quirks": {NAME: KIND}}: what each takes,
 * and what a file may list beside that; KIND being "flag", "text", "texts" or "map" (of texts to texts): the host then makes a provider of
 * each such file. */
typedef struct tg_plugin_v1 {
  uint32_t size, abi_major, abi_minor, flags;
  tg_str name, version, manifest;
  const tg_provider_v1 *provider; /* NULL: none */
  const tg_policy_v1 *policy;     /* NULL: none */
} tg_plugin_v1;

/* The exported symbol TG_ENTRY_SYMBOL. Called once, before serving, on the main thread. NULL: refused. */
typedef const tg_plugin_v1 *(*tg_entry_v1)(const tg_host_v1 *host);

#ifdef __cplusplus
}
#endif
#endif
