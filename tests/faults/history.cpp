#include "history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace history {

namespace {

std::string_view name_of(Type type) {
  switch (type) {
    case Type::added: return "ADDED";
    case Type::modified: return "MODIFIED";
    case Type::erased: return "DELETED";
    case Type::bookmark: break;
  }
  return "BOOKMARK";
}

std::string text(const Event& e) {
  return fmt::format("{} {}={} ({}) at {}", name_of(e.type), e.key, e.value, e.color, e.revision);
}

bool selects(const std::string& selector, const std::string& color) { return selector.empty() || selector == color; }

// How far the session came: everything up to there must be in it.
int64_t reached(const Session& session) { return session.events.empty() ? session.after : session.events.back().revision; }

// The changes of the session, without bookmarks.
std::vector<Event> changes_of(const Session& session) {
  std::vector<Event> out;
  std::copy_if(session.events.begin(), session.events.end(), std::back_inserter(out),
               [](const Event& e) { return e.type != Type::bookmark; });
  return out;
}

void apply(State& state, const Event& change) {
  if (change.type == Type::erased)
    state.erase(change.key);
  else
    state[change.key] = {change.value, change.color, change.revision};
}

}  // namespace

State Truth::at(int64_t revision) const {
  State state;
  for (const auto& change : changes) {
    if (change.revision > revision) break;
    apply(state, change);
  }
  return state;
}

std::vector<Event> Truth::expected(int64_t after, int64_t until, const std::string& selector) const {
  std::vector<Event> out;
  State state = at(after);
  for (const auto& change : changes) {
    if (change.revision <= after) continue;
    if (change.revision > until) break;
    auto before = state.find(change.key);
    bool was = before != state.end() && selects(selector, before->second.color);
    bool is = change.type != Type::erased && selects(selector, change.color);
    if (is) {
      out.push_back(change);
      out.back().type = was ? Type::modified : Type::added;
    } else if (was) {  // the last state that was selected, at the revision of the change
      out.push_back({Type::erased, change.key, before->second.value, before->second.color, change.revision});
    }
    apply(state, change);
  }
  return out;
}

Truth merge(int64_t base, const std::vector<Session>& sessions, std::string& problem) {
  std::map<std::pair<int64_t, std::string>, Event> all;
  for (const auto& session : sessions) {
    if (!session.selector.empty()) continue;
    for (const auto& event : changes_of(session)) {
      auto [known, fresh] = all.try_emplace({event.revision, event.key}, event);
      if (!fresh && known->second != event && problem.empty())
        problem = fmt::format("two watches disagree: {} and {}", text(known->second), text(event));
    }
  }
  Truth truth{base, {}};
  for (auto& [at, event] : all) truth.changes.push_back(event);
  return truth;
}

std::string check_ordered(const Session& session) {
  int64_t last = session.after;
  for (const auto& event : session.events) {
    if (event.revision < last) return fmt::format("{} comes after revision {}", text(event), last);
    last = event.revision;
  }
  return "";
}

std::string check_unique(const Session& session) {
  std::set<std::pair<int64_t, std::string>> seen;
  for (const auto& event : changes_of(session))
    if (!seen.insert({event.revision, event.key}).second) return fmt::format("{} comes twice", text(event));
  return "";
}

std::string check_atomic(const Session& session, const Truth& truth) {
  std::map<int64_t, size_t> seen;
  int64_t last = 0;
  for (const auto& event : changes_of(session)) {
    if (event.revision != last && seen.contains(event.revision))
      return fmt::format("revision {} comes in two pieces", event.revision);
    ++seen[last = event.revision];
  }
  // The last one may be cut by the end of the connection.
  seen.erase(last);
  std::map<int64_t, size_t> wanted;
  for (const auto& event : truth.expected(session.after, reached(session), session.selector)) ++wanted[event.revision];
  for (const auto& [revision, count] : seen) {
    auto all = wanted[revision];
    if (all != count) return fmt::format("revision {} has {} changes, not {}", revision, count, all);
  }
  return "";
}

std::string check_bookmarkable(const Session& session) {
  int64_t marked = session.after;
  for (const auto& event : session.events) {
    if (event.type == Type::bookmark)
      marked = std::max(marked, event.revision);
    else if (event.revision <= marked)
      return fmt::format("{} comes after the bookmark (or start) at {}", text(event), marked);
  }
  return "";
}

std::string check_resumable(const Session& session, const Truth& truth) {
  auto changes = changes_of(session);
  auto expected = truth.expected(session.after, reached(session), session.selector);
  if (changes.empty() && !expected.empty())
    return fmt::format("started after {}, it came to {} without {}", session.after, reached(session), text(expected.front()));
  if (!changes.empty() && (expected.empty() || expected.front().revision != changes.front().revision))
    return fmt::format("started after {}, it begins with {}, not {}", session.after, text(changes.front()),
                       expected.empty() ? "nothing" : text(expected.front()));
  return "";
}

std::string check_reliable(const Session& session, const Truth& truth) {
  std::set<std::pair<int64_t, std::string>> seen;
  for (const auto& event : changes_of(session)) seen.insert({event.revision, event.key});
  int64_t until = reached(session);
  // The connection may have ended in the middle of the last revision.
  bool whole = !session.events.empty() && session.events.back().type == Type::bookmark;
  for (const auto& event : truth.expected(session.after, whole ? until : until - 1, session.selector))
    if (!seen.contains({event.revision, event.key})) return fmt::format("{} is missing", text(event));
  return "";
}

std::string check_filter(const Session& session) {
  for (const auto& event : changes_of(session))
    if (!selects(session.selector, event.color)) return fmt::format("{} was not selected", text(event));
  return "";
}

std::string check_is_create(const Session& session, const Truth& truth) {
  State state = truth.at(session.after);
  std::erase_if(state, [&](const auto& one) { return !selects(session.selector, one.second.color); });
  for (const auto& event : changes_of(session)) {
    bool there = state.contains(event.key);
    if (event.type == Type::added && there) return fmt::format("{} was there already", text(event));
    if (event.type != Type::added && !there) return fmt::format("{} was not there", text(event));
    apply(state, event);
  }
  return "";
}

std::string check_previous(const Session& session, const Truth& truth) {
  State state = truth.at(session.after);
  for (const auto& event : changes_of(session)) {
    auto before = state.find(event.key);
    if (event.type == Type::erased && before != state.end() &&
        (before->second.value != event.value || before->second.color != event.color))
      return fmt::format("{} does not carry the last state {} ({})", text(event), before->second.value, before->second.color);
    apply(state, event);
  }
  return "";
}

std::string check_session(const Session& session, const Truth& truth) {
  struct Property {
    const char* name;
    std::string problem;
  };
  for (const auto& [name, problem] : {Property{"ordered", check_ordered(session)}, Property{"unique", check_unique(session)},
                                      Property{"bookmarkable", check_bookmarkable(session)},
                                      Property{"filter", check_filter(session)},
                                      Property{"resumable", check_resumable(session, truth)},
                                      Property{"reliable", check_reliable(session, truth)},
                                      Property{"atomic", check_atomic(session, truth)},
                                      Property{"is create", check_is_create(session, truth)},
                                      Property{"previous", check_previous(session, truth)}})
    if (!problem.empty())
      return fmt::format("a watch after {} of '{}' is not {}: {}", session.after, session.selector, name, problem);
  return "";
}

std::string check_listing(const Listing& listing, const Truth& truth) {
  State wanted = truth.at(listing.revision);
  for (const auto& [key, object] : wanted) {
    auto found = listing.state.find(key);
    if (found == listing.state.end()) return fmt::format("the list at {} has no {}", listing.revision, key);
    if (found->second != object)
      return fmt::format("the list at {} has {}={} of revision {}, not {} of {}", listing.revision, key, found->second.value,
                         found->second.revision, object.value, object.revision);
  }
  if (listing.state.size() != wanted.size())
    return fmt::format("the list at {} has {} objects, not {}", listing.revision, listing.state.size(), wanted.size());
  return "";
}

std::string check_writes(const std::vector<Write>& writes, const Truth& truth) {
  std::map<int64_t, const Event*> by_revision;
  std::multiset<std::pair<std::string, std::string>> erased;
  for (const auto& change : truth.changes) {
    by_revision[change.revision] = &change;
    if (change.type == Type::erased) erased.insert({change.key, change.value});
  }
  std::set<int64_t> given;
  for (const auto& write : writes) {
    if (write.type == Type::erased) {
      if (!erased.contains({write.key, write.value}))
        return fmt::format("the acknowledged deletion of {}={} never happened", write.key, write.value);
      continue;
    }
    auto found = by_revision.find(write.revision);
    if (found == by_revision.end() || found->second->key != write.key || found->second->value != write.value)
      return fmt::format("the acknowledged write {}={} at {} never happened", write.key, write.value, write.revision);
    if (!given.insert(write.revision).second) return fmt::format("revision {} was given twice", write.revision);
  }
  return "";
}

}  // namespace history
