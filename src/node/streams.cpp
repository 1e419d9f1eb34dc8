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
    : state_(new State{.records = records, .runtime = runtime, .clock = clock, .run_dir = std::move(run_dir),
                       .mutex = {}, .changed = {}, .wakes = {}}) {}

Streams::~Streams() {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  for (const auto& wake : state_->wakes) {
    wake->closed = true;
    wake->ring();
  }
  state_->changed.wait(lock, [&] { return state_->running == 0; });
}

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
    return answer_error(*responder, {base::Reason::not_found, "the node serves /containerLogs and /exec, not " + request.path, nullptr});
  }
  auto found = find_container(state_->records, parts[2], parts[3], parts[4]);
  if (!found) return answer_error(*responder, found.error());
  auto wake = std::make_shared<Wake>();
  auto state = state_;

  // Admission and the choice of the stream happen here; the bytes flow on the stream's own thread.
  const auto launch = [&](std::function<void()> work) {
    {
      std::lock_guard lock(state->mutex);
      ++state->running;
      state->wakes.insert(wake);
    }
    std::thread([state, wake, work = std::move(work)] {
      work();
      std::lock_guard lock(state->mutex);
      state->wakes.erase(wake);
      --state->running;
      state->changed.notify_all();
    }).detach();
  };
  {
    std::lock_guard lock(state->mutex);
    if (state->stopping || state->running >= State::kMost) {
      return answer_error(*responder, {base::Reason::too_many_requests, "this node serves 256 streams at most: end others first", nullptr});
    }
  }

  if (logs) {
    auto options = parse_log_options(request.query, state->clock.now());
    if (!options) return answer_error(*responder, options.error());
    const auto& own = found->container;
    std::string path = own.log_path;
    if (options->previous) {
      if (!own.last) {
        return answer_error(*responder, {base::Reason::bad_request, "previous terminated container \"" + parts[4] + "\" in pod \"" +
                                                                        parts[3] + "\" not found", nullptr});
      }
      path = path.substr(0, path.rfind('/') + 1) + std::to_string(own.restarts - 1) + ".log";
      options->follow = false;
    } else if (own.state == ContainerRecord::State::none || path.empty()) {
      return answer_error(*responder, {base::Reason::bad_request, "container \"" + parts[4] + "\" in pod \"" + parts[3] +
                                                                      "\" is waiting to start: ContainerCreating", nullptr});
    }
    net::Headers headers;
    headers.add("Content-Type", "text/plain");
    auto stream = responder->stream(200, std::move(headers));
    stream->on_close([wake] {
      wake->closed = true;
      wake->ring();
    });
    return launch([state, wake, stream, path, own = *found, options = *options] {
      serve_logs(state->records, own, options, path, *stream, *wake);
      stream->finish();
    });
  }

  ExecRequest exec_request;
  for (const auto& argument : request.query.all("command")) exec_request.command.emplace_back(argument);
  exec_request.tty = is_true(request.query.get("tty"));
  exec_request.in = is_true(request.query.get("stdin")) || is_true(request.query.get("input"));
  exec_request.out = is_true(request.query.get("stdout")) || is_true(request.query.get("output"));
  exec_request.err = !exec_request.tty && (is_true(request.query.get("stderr")) || is_true(request.query.get("error")));
  if (exec_request.command.empty()) {
    return answer_error(*responder, {base::Reason::bad_request, "you must specify at least 1 command for the container", nullptr});
  }
  if (!exec_request.in && !exec_request.out && !exec_request.err) {
    return answer_error(*responder, {base::Reason::bad_request, "you must specify at least 1 of stdin, stdout, stderr", nullptr});
  }
  if (found->container.state != ContainerRecord::State::running) {
    return answer_error(*responder, {base::Reason::internal_error, "container not found (\"" + parts[4] + "\")", nullptr});
  }
  if (!request.websocket_upgrade) return answer_error(*responder, {base::Reason::bad_request, "Upgrade request required", nullptr});
  const std::string protocol = choose_protocol(request);
  if (protocol.empty()) {
    return answer_error(*responder, {base::Reason::bad_request, "this node speaks the WebSocket sub-protocols v5.channel.k8s.io, "
                                                                "v4.channel.k8s.io and channel.k8s.io", nullptr});
  }
  auto socket = responder->websocket(protocol);
  if (!socket) return answer_error(*responder, socket.error());
  auto input = std::make_shared<ExecInput>(wake);
  listen(**socket, input);
  launch([state, wake, input, ws = *socket, exec_request, protocol, id = found->container.id,
          bundle = state->records.container_dir(found->uid, found->container.id)] {
    serve_exec(state->runtime, id, bundle, exec_request, state->run_dir, *ws, protocol, *input);
  });
}

}  // namespace node
