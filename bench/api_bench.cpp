// The API server's figures, as its clients meet it: HTTPS with client certificates against the real binary in an
// isolated cluster, or against another API server that is named. Prints one line per figure. Needs root for a cluster.
//   api_bench SAMPAN [create list watch write many] [--creates=N ...]
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <set>
#include <thread>

#include "api_load.hpp"
#include "base/strings.hpp"

namespace {

constexpr std::string_view kUsage =
    "usage: api_bench SAMPAN [create list watch write many]   (all of them when none is named)\n"
    "  --creates=10000        create: ConfigMaps, by 1, 16 and 64 clients\n"
    "  --pods=10000           list: pods; --lists=5 of each form\n"
    "  --watchers=1000        watch: with --rate=100 changes per second for --seconds=20\n"
    "  --write-seconds=5      write: of each kind of write\n"
    "  --objects=200000       many: small objects\n"
    "  --step-limit=180       seconds that a step may take\n"
    "  --peer=https://H:P --peer-kubeconfig=F [--peer-pids=N,N]   another API server in place of SAMPAN (give - for it)\n";

int interrupted[2];

struct Arguments {
  bench::Settings settings;
  std::set<std::string> modes;
};

bool parse(int argc, char** argv, Arguments& out) {
  auto& s = out.settings;
  std::map<std::string_view, int*> numbers = {{"creates", &s.creates}, {"pods", &s.pods},       {"lists", &s.lists},
                                              {"watchers", &s.watchers}, {"rate", &s.rate},     {"seconds", &s.seconds},
                                              {"write-seconds", &s.write_seconds}, {"objects", &s.objects},
                                              {"step-limit", &s.step_limit}};
  std::map<std::string_view, std::string*> texts = {{"peer", &s.peer}, {"peer-kubeconfig", &s.peer_kubeconfig}};
  const std::set<std::string_view> known = {"create", "list", "watch", "write", "many"};
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (!word.starts_with("--")) {
      if (i == 1) s.sampan = word;
      else if (known.contains(word)) out.modes.emplace(word);
      else return false;
      continue;
    }
    word.remove_prefix(2);
    auto equals = word.find('=');
    if (equals == std::string_view::npos) return false;
    auto name = word.substr(0, equals), value = word.substr(equals + 1);
    if (auto number = numbers.find(name); number != numbers.end()) {
      auto parsed = base::parse_int(value);
      if (!parsed || *parsed < 1 || *parsed > 100'000'000) return false;
      *number->second = static_cast<int>(*parsed);
    } else if (auto text = texts.find(name); text != texts.end()) {
      *text->second = value;
    } else if (name == "peer-pids") {
      for (const auto& pid : base::split(value, ',')) s.peer_pids.push_back(static_cast<int>(base::parse_int(pid).value_or(0)));
    } else {
      return false;
    }
  }
  return !s.sampan.empty();
}

std::string load_average() {
  auto text = support::slurp("/proc/loadavg");
  return text.substr(0, text.find(' '));
}

void run(const Arguments& arguments) {
  using Mode = void (*)(bench::ApiServer&, const bench::Settings&);
  const std::vector<std::pair<std::string, Mode>> modes = {{"create", bench::bench_create},
                                                           {"list", bench::bench_list},
                                                           {"watch", bench::bench_watch},
                                                           {"write", bench::bench_write},
                                                           {"many", bench::bench_many}};
  for (const auto& [name, mode] : modes) {
    if (!arguments.modes.empty() && !arguments.modes.contains(name)) continue;
    auto load = load_average();
    bench::ApiServer server(arguments.settings);  // a new cluster for each
    mode(server, arguments.settings);
    fmt::print("  (load average of the machine: {} before, {} after)\n", load, load_average());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  // Interrupted, it removes its cluster too. By a handler, which children do not inherit.
  if (::pipe2(interrupted, O_CLOEXEC) != 0) return 1;
  for (int which : {SIGINT, SIGTERM}) {
    ::signal(which, [](int) { (void)!::write(interrupted[1], "x", 1); });
  }
  std::thread([&arguments] {
    char byte;
    while (::read(interrupted[0], &byte, 1) != 1) {}
    if (arguments.settings.peer.empty()) support::Cluster(arguments.settings.sampan, "bench").down();
    ::_exit(130);
  }).detach();
  try {
    run(arguments);
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return 1;
  }
}
