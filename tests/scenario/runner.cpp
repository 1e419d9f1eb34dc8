// Plays one scenario file with one client (see README.md beside). One thread; the exit code is 0 when all held, 77 when
// the client is not on this machine.
#include <fcntl.h>
#include <poll.h>
#include <re2/re2.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kCommandLimit = std::chrono::seconds(90);
constexpr auto kEventuallyLimit = std::chrono::seconds(30);
constexpr int kSkipped = 77;

struct Expectation {
  enum class Kind { expect, match, not_match, error, exit, save } kind;
  std::string text;
  std::string name;  // of save
  int line = 0;
};

struct Step {
  std::string command;
  bool eventually = false;
  int line = 0;
  std::vector<Expectation> expectations;
};

struct Scenario {
  std::string name;
  std::vector<std::string> clients{"own", "real"};
  int clusters = 1;
  std::vector<std::string> images;
  std::vector<Step> steps;
};

struct Outcome {
  int exit_code = 0;
  std::string out;
  std::string err;
};

[[noreturn]] void die(const std::string& message) {
  std::cerr << "error: " << message << "\n";
  std::exit(2);
}

std::string trim(std::string text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r')) text.pop_back();
  size_t start = text.find_first_not_of(' ');
  return start == std::string::npos ? "" : text.substr(start);
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

Scenario parse(const std::string& path) {
  std::ifstream in(path);
  if (!in) die("cannot read " + path);
  Scenario scenario;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    while (line.ends_with("\\")) {
      std::string more;
      if (!std::getline(in, more)) break;
      ++number;
      line = line.substr(0, line.size() - 1) + trim(more);
    }
    if (trim(line).empty() || line[0] == '#') continue;
    std::string keyword = line.substr(0, line.find(' '));
    std::string rest = keyword.size() < line.size() ? trim(line.substr(keyword.size())) : "";
    auto expectation = [&](Expectation::Kind kind) {
      if (scenario.steps.empty()) die(path + ":" + std::to_string(number) + ": " + keyword + " before any RUN");
      scenario.steps.back().expectations.push_back({kind, rest, "", number});
    };
    if (keyword == "NAME") {
      scenario.name = rest;
    } else if (keyword == "CLIENTS") {
      scenario.clients = words(rest);
    } else if (keyword == "CLUSTER") {
      scenario.clusters = rest == "none" ? 0 : rest == "second" ? 2 : 1;
    } else if (keyword == "IMAGE") {
      for (auto& image : words(rest)) scenario.images.push_back(image);
    } else if (keyword == "RUN" || keyword == "EVENTUALLY") {
      scenario.steps.push_back({rest, keyword == "EVENTUALLY", number, {}});
    } else if (keyword == "EXPECT") {
      expectation(Expectation::Kind::expect);
    } else if (keyword == "EMPTY") {
      rest = "^\\s*\\z";
      expectation(Expectation::Kind::match);
    } else if (keyword == "MATCH") {
      expectation(Expectation::Kind::match);
    } else if (keyword == "NOT") {
      expectation(Expectation::Kind::not_match);
    } else if (keyword == "ERROR") {
      expectation(Expectation::Kind::error);
    } else if (keyword == "EXIT") {
      expectation(Expectation::Kind::exit);
    } else if (keyword == "SAVE") {
      expectation(Expectation::Kind::save);
      auto& saved = scenario.steps.back().expectations.back();
      saved.name = rest.substr(0, rest.find(' '));
      saved.text = trim(rest.substr(saved.name.size()));
    } else {
      die(path + ":" + std::to_string(number) + ": unknown keyword " + keyword);
    }
  }
  if (scenario.name.empty()) die(path + ": has no NAME");
  return scenario;
}

// Runs a bash line in a process group of its own, which ends with it or at the limit.
Outcome run(const std::string& command) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) die("pipe failed");
  pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    execl("/bin/bash", "bash", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  Outcome outcome;
  auto end = Clock::now() + kCommandLimit;
  bool open_out = true, open_err = true;
  while (open_out || open_err) {
    pollfd fds[2] = {{open_out ? out[0] : -1, POLLIN, 0}, {open_err ? err[0] : -1, POLLIN, 0}};
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) {
      kill(-pid, SIGKILL);
      outcome.err += "\n(killed after the time limit)\n";
      break;
    }
    poll(fds, 2, static_cast<int>(left));
    auto drain = [](int fd, std::string& into) {
      char buffer[65536];
      ssize_t n = read(fd, buffer, sizeof buffer);
      if (n > 0) into.append(buffer, static_cast<size_t>(n));
      return n > 0;
    };
    if (fds[0].revents && !drain(out[0], outcome.out)) open_out = false;
    if (fds[1].revents && !drain(err[0], outcome.err)) open_err = false;
  }
  close(out[0]);
  close(err[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  while (!lines.empty() && trim(lines.back()).empty()) lines.pop_back();
  return lines;
}

// '*' stands for any run of characters; runs of blanks compare as one.
bool line_matches(const std::string& pattern, const std::string& line) {
  std::string regex = "^";
  for (auto& word : words(pattern)) {
    if (regex.size() > 1) regex += " +";
    std::string piece;
    for (char c : word) piece += c == '*' ? std::string("\001") : std::string(1, c);
    std::string quoted = RE2::QuoteMeta(piece);
    for (size_t at; (at = quoted.find("\\\001")) != std::string::npos;) quoted.replace(at, 2, ".*");
    for (size_t at; (at = quoted.find('\001')) != std::string::npos;) quoted.replace(at, 1, ".*");
    regex += quoted;
  }
  return RE2::PartialMatch(trim(line), regex + "$");
}

std::string substitute(std::string text) {
  static const RE2 variable(R"(\$\{?([A-Z][A-Z0-9_]*)\}?)");
  std::string out;
  re2::StringPiece rest(text), name;
  while (true) {
    std::string before(rest.data(), rest.size());
    re2::StringPiece found[2];
    if (!variable.Match(rest, 0, rest.size(), RE2::UNANCHORED, found, 2)) return out + before;
    out.append(rest.data(), static_cast<size_t>(found[0].data() - rest.data()));
    const char* value = getenv(std::string(found[1]).c_str());
    out += value ? value : std::string(found[0]);
    rest.remove_prefix(static_cast<size_t>(found[0].data() + found[0].size() - rest.data()));
  }
}

bool contains(const std::string& text, const std::string& regex) {
  RE2::Options options;
  options.set_log_errors(true);
  RE2 compiled((regex.ends_with("\\z") ? "" : "(?m)") + regex, options);
  if (!compiled.ok()) die("bad regex: " + regex);
  return RE2::PartialMatch(text, compiled);
}

// Empty when everything holds, else what does not.
std::string check(const Step& step, const Outcome& outcome) {
  int wanted_exit = 0;
  bool any_exit = step.eventually;
  std::vector<std::string> wanted_lines;
  bool whole = false;
  for (auto& e : step.expectations) {
    if (e.kind == Expectation::Kind::exit) wanted_exit = std::stoi(e.text), any_exit = false;
    if (e.kind == Expectation::Kind::expect) wanted_lines.push_back(substitute(e.text)), whole = true;
  }
  if (!any_exit && outcome.exit_code != wanted_exit)
    return "exit code " + std::to_string(outcome.exit_code) + ", expected " + std::to_string(wanted_exit);
  if (whole) {
    auto lines = lines_of(outcome.out);
    bool same = lines.size() == wanted_lines.size();
    for (size_t i = 0; same && i < lines.size(); ++i) same = line_matches(wanted_lines[i], lines[i]);
    if (!same) {
      std::string text = "stdout is not\n";
      for (auto& line : wanted_lines) text += "    " + line + "\n";
      return text;
    }
  }
  for (auto& e : step.expectations) {
    std::string text = substitute(e.text);
    if (e.kind == Expectation::Kind::match && !contains(outcome.out, text)) return "stdout has no match of " + text;
    if (e.kind == Expectation::Kind::not_match && contains(outcome.out, text)) return "stdout has a match of " + text;
    if (e.kind == Expectation::Kind::error && !contains(outcome.err, text)) return "stderr has no match of " + text;
    if (e.kind == Expectation::Kind::save) {
      std::string value;
      if (!RE2::PartialMatch(outcome.out, "(?m)" + e.text, &value)) return "nothing to save by " + e.text;
      setenv(e.name.c_str(), value.c_str(), 1);
    }
  }
  return "";
}

bool play(const Step& step) {
  auto end = Clock::now() + kEventuallyLimit;
  while (true) {
    Outcome outcome = run(step.command);
    std::string wrong = check(step, outcome);
    if (wrong.empty()) return true;
    if (step.eventually && Clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      continue;
    }
    std::cout << "line " << step.line << ": " << step.command << "\n  " << wrong << "\n--- stdout\n"
              << outcome.out << "--- stderr\n" << outcome.err << "---\n";
    return false;
  }
}

std::string find_kubectl(const std::string& client) {
  Outcome which = run("readlink -f \"$(command -v kubectl)\"");
  std::string real = trim(which.out);
  if (client == "real" || real.empty()) return real;
  std::string versioned = (fs::path(real).parent_path() / ("kubectl." + client)).string();
  return fs::exists(versioned) ? versioned : "";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) die("usage: scenario FILE CLIENT SAMPAN");
  std::string file = argv[1], client = argv[2], sampan = fs::absolute(argv[3]).string();
  Scenario scenario = parse(file);
  char temp[] = "/tmp/scenario-XXXXXX";
  if (!mkdtemp(temp)) die("mkdtemp failed");
  std::string tmp = temp;
  fs::create_directories(tmp + "/bin");
  fs::create_directories(tmp + "/home");
  std::string kubectl = client == "own" ? sampan : find_kubectl(client);
  if (kubectl.empty()) {
    std::cout << "kubectl " << client << " is not on this machine\n";
    fs::remove_all(tmp);
    return kSkipped;
  }
  fs::create_symlink(kubectl, tmp + "/bin/kubectl");
  fs::create_symlink(sampan, tmp + "/bin/sampan");
  std::string source = fs::absolute(fs::path(__FILE__)).parent_path().parent_path().parent_path().string();
  if (const char* given = getenv("SAMPAN_SOURCE_DIR")) source = given;
  std::string cluster = "t" + std::to_string(getpid());
  setenv("PATH", (tmp + "/bin:" + getenv("PATH")).c_str(), 1);
  setenv("HOME", (tmp + "/home").c_str(), 1);
  setenv("KUBECONFIG", (tmp + "/kubeconfig").c_str(), 1);
  setenv("KUBECACHEDIR", (tmp + "/cache").c_str(), 1);
  setenv("TMP", tmp.c_str(), 1);
  setenv("EXAMPLES", (source + "/examples").c_str(), 1);
  setenv("TESTS", (source + "/tests").c_str(), 1);
  setenv("SOURCE", source.c_str(), 1);
  setenv("CLUSTER", cluster.c_str(), 1);
  setenv("CLUSTER2", (cluster + "b").c_str(), 1);
  setenv("CLIENT", client.c_str(), 1);
  setenv("NODE", ("ip netns exec sampan-" + cluster).c_str(), 1);

  bool ok = true;
  auto must = [&](const std::string& command) {
    if (!ok) return;
    Outcome outcome = run(command);
    if (outcome.exit_code != 0) {
      std::cout << "could not prepare: " << command << "\n" << outcome.out << outcome.err;
      ok = false;
    }
  };
  if (scenario.clusters >= 1) must("sampan up --isolated --name $CLUSTER");
  if (scenario.clusters >= 2) must("sampan up --isolated --name $CLUSTER2 && kubectl config use-context sampan-$CLUSTER "
                                   ">/dev/null 2>&1 || sampan up --isolated --name $CLUSTER");
  std::string images = getenv("SAMPAN_TEST_IMAGES") ? getenv("SAMPAN_TEST_IMAGES") : source + "/out";
  for (auto& image : scenario.images) must("sampan image import --name $CLUSTER " + images + "/" + image + ".tar");
  for (auto& step : scenario.steps) ok = ok && play(step);

  if (!ok && scenario.clusters > 0)
    std::cout << "--- log of the cluster\n" << run("tail -n 60 /var/lib/sampan/$CLUSTER/sampan.log").out;
  run("sampan down --name $CLUSTER; sampan down --name $CLUSTER2");
  fs::remove_all(tmp);
  std::cout << (ok ? "ok: " : "FAILED: ") << scenario.name << " (" << client << ")\n";
  return ok ? 0 : 1;
}
