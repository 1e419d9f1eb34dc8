#include "node/streams.hpp"

#include <algorithm>
#include <functional>
#include <thread>

#include "api/status.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "node/streams_state.hpp"

namespace node {
namespace {

void answer_error(net::Responder& responder, const base::Error& error) {
  net::Response response;
  response.status = api::http_code(error.reason);
  response.headers.add("Content-Type", "application/json");
  response.body = {net::make_chunk(base::write_json(api::make_status(error)) + "\n")};
  responder.send(std::move(response));
}

bool is_true(std::string_view text) { return text == "true" || text == "1"; }

std::string choose_protocol(const net::Request& request) {
  std::vector<std::string> offered;
  for (const auto& field : request.headers.all("Sec-WebSocket-Protocol")) {
    for (const auto& item : base::split(field, ',')) offered.emplace_back(base::trim(item));
  }
  for (const char* known : {"v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"}) {
    if (std::find(offered.begin(), offered.end(), known) != offered.end()) return known;
  }
  return "";
}

}  // namespace

base::Result<FoundContainer> find_container(const Records& records, const std::string& namespace_,
                                            const std::string& pod, const std::string& container) {
  std::optional<PodRecord> newest;
  for (auto& record : records.of_pod(namespace_ + "/" + pod)) {
    if (!newest || record.started > newest->started) newest = std::move(record);
  }
  if (!newest) return base::fail(base::Reason::not_found, "pod \"" + pod + "\" is not on this node");
  const ContainerRecord* own = newest->find(container);
  if (own == nullptr) {
    return base::fail(base::Reason::bad_request, "container " + container + " is not valid for pod " + pod);
  }
  return FoundContainer{newest->uid, *own};
}

Streams::Streams(const Records& records, const Runtime& runtime, const sys::Clock& clock, std::string run_dir)
    : state_(new State{.records = records,
                       .runtime = runtime,
                       .clock = clock,
                       .run_dir = std::move(run_dir),
                       .mutex = {},
                       .changed = {},
                       .wakes = {}}) {}

Streams::~Streams() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  for (const auto& wake : state_->wakes) {
    wake->closed = true;
    wake->ring();
  }
  state_->changed.wait(lock, [&] { return state_->running == 0; });
}

namespace {

// Where a request for a container leads, once it is found.
struct Target {
  std::shared_ptr<Streams::State> state;
  FoundContainer found;
  std::string pod;
  std::string container;
};

bool has_room(Streams::State& state) {
  std::lock_guard lock(state.mutex);
  return !state.stopping && state.running < Streams::State::kMost;
}

// Admission is done by then; the bytes flow on a thread of the stream's own.
void launch(const std::shared_ptr<Streams::State>& state, const std::shared_ptr<Wake>& wake,
            std::function<void()> work) {
  {
    std::lock_guard lock(state->mutex);
    ++state->running;
    state->wakes.insert(wake);
    if (state->stopping) wake->closed = true;
  }
  std::thread([state, wake, work = std::move(work)]() mutable {
    work();
    work = nullptr;
    std::lock_guard lock(state->mutex);
    state->wakes.erase(wake);
    --state->running;
    state->changed.notify_all();
  }).detach();
}

void handle_logs(const net::Request& request, net::Responder& responder, const Target& target) {
  auto options = parse_log_options(request.query, target.state->clock.now());
  if (!options) return answer_error(responder, options.error());
  const auto& own = target.found.container;
  std::string path = own.log_path;
  const std::string who = "container \"" + target.container + "\" in pod \"" + target.pod + "\"";
  if (options->previous) {
    if (!own.last)
      return answer_error(responder,
                          {base::Reason::bad_request, "previous terminated " + who + " not found", nullptr});
    path = path.substr(0, path.rfind('/') + 1) + std::to_string(own.restarts - 1) + ".log";
    options->follow = false;
  } else if (own.state == ContainerRecord::State::none || path.empty()) {
    return answer_error(
        responder, {base::Reason::bad_request, who + " is waiting to start: ContainerCreating", nullptr});
  }
  net::Headers headers;
  headers.add("Content-Type", "text/plain");
  auto stream = responder.stream(200, std::move(headers));
  auto wake = std::make_shared<Wake>();
  stream->on_close([wake] {
    wake->closed = true;
    wake->ring();
  });
  launch(target.state, wake,
         [state = target.state, wake, stream, path, found = target.found, options = *options] {
           serve_logs(state->records, found, options, path, *stream, *wake);
           stream->finish();
         });
}

base::Result<ExecRequest> parse_exec(const net::Query& query) {
  ExecRequest exec;
  for (const auto& argument : query.all("command")) exec.command.emplace_back(argument);
  exec.tty = is_true(query.get("tty"));
  exec.in = is_true(query.get("stdin")) || is_true(query.get("input"));
  exec.out = is_true(query.get("stdout")) || is_true(query.get("output"));
  exec.err = !exec.tty && (is_true(query.get("stderr")) || is_true(query.get("error")));
  if (exec.command.empty()) {
    return base::fail(base::Reason::bad_request, "you must specify at least 1 command for the container");
  }
  if (!exec.in && !exec.out && !exec.err) {
    return base::fail(base::Reason::bad_request, "you must specify at least 1 of stdin, stdout, stderr");
  }
  return exec;
}

void handle_exec(const net::Request& request, net::Responder& responder, const Target& target) {
  auto exec = parse_exec(request.query);
  if (!exec) return answer_error(responder, exec.error());
  if (target.found.container.state != ContainerRecord::State::running) {
    return answer_error(responder, {base::Reason::internal_error,
                                    "container not found (\"" + target.container + "\")", nullptr});
  }
  if (!request.websocket_upgrade) {
    return answer_error(responder, {base::Reason::bad_request, "Upgrade request required", nullptr});
  }
  const std::string protocol = choose_protocol(request);
  if (protocol.empty()) {
    return answer_error(responder,
                        {base::Reason::bad_request,
                         "this node speaks the WebSocket sub-protocols v5.channel.k8s.io, v4.channel.k8s.io "
                         "and channel.k8s.io",
                         nullptr});
  }
  auto socket = responder.websocket(protocol);
  if (!socket) return answer_error(responder, socket.error());
  auto wake = std::make_shared<Wake>();
  auto input = std::make_shared<ExecInput>(wake);
  listen(*socket, input);
  const std::string& id = target.found.container.id;
  launch(target.state, wake,
         [state = target.state, input, ws = *socket, exec = *exec, protocol, id,
          bundle = target.state->records.container_dir(target.found.uid, id)] {
           serve_exec(state->runtime, id, bundle, exec, state->run_dir, *ws, protocol, *input);
         });
}

}  // namespace

void Streams::handle(net::Request request, std::shared_ptr<net::Responder> responder) {
  const auto parts = base::split(request.path, '/');  // "", "exec", NAMESPACE, POD, CONTAINER
  if (parts.size() == 2 && parts[1] == "healthz") {
    net::Response response;
    response.headers.add("Content-Type", "text/plain; charset=utf-8");
    response.body = {net::make_chunk("ok")};
    return responder->send(std::move(response));
  }
  const bool logs = parts.size() == 5 && parts[1] == "containerLogs";
  const bool exec = parts.size() == 5 && parts[1] == "exec";
  if (!logs && !exec) {
    return answer_error(
        *responder,
        {base::Reason::not_found, "the node serves /containerLogs and /exec, not " + request.path, nullptr});
  }
  auto found = find_container(state_->records, parts[2], parts[3], parts[4]);
  if (!found) return answer_error(*responder, found.error());
  if (!has_room(*state_)) {
    return answer_error(*responder, {base::Reason::too_many_requests,
                                     "this node serves 256 streams at most: end others first", nullptr});
  }
  const Target target{state_, std::move(*found), parts[3], parts[4]};
  if (logs) return handle_logs(request, *responder, target);
  handle_exec(request, *responder, target);
}

}  // namespace node
