// What clients may expect of watches, as pure checks over recorded histories: the nine properties that etcd's
// robustness tests name, and that a list shows the state of its revision. Values; any thread.
//
// Source: etcd's documentation of its API guarantees (watch), and the properties of its robustness tests.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace history {

enum class Type { added, modified, erased, bookmark };

// One event as a watch showed it. `color` is the label that selectors ask for.
struct Event {
  Type type = Type::added;
  std::string key;
  std::string value;
  std::string color;
  int64_t revision = 0;
  bool operator==(const Event&) const = default;
};

// One watch request from its start to its end.
struct Session {
  int64_t after = 0;     // the revision that it was started from
  std::string selector;  // a color; "" selects all
  std::vector<Event> events;
};

struct Object {
  std::string value;
  std::string color;
  int64_t revision = 0;
  bool operator==(const Object&) const = default;
};
using State = std::map<std::string, Object>;

struct Listing {
  int64_t revision = 0;
  State state;
};

// A write that was answered with success; an erasure names no revision.
struct Write {
  Type type = Type::added;
  std::string key;
  std::string value;  // of an erasure: what the object had before
  int64_t revision = 0;
};

// All changes in order, without selectors: what every session is measured by.
struct Truth {
  int64_t base = 0;  // nothing was there at this revision
  std::vector<Event> changes;
  State at(int64_t revision) const;
  // What a session that starts there shows, up to and including `until`.
  std::vector<Event> expected(int64_t after, int64_t until, const std::string& selector) const;
};

// Puts together what the sessions without a selector saw. `problem` when two of them disagree.
Truth merge(int64_t base, const std::vector<Session>& sessions, std::string& problem);

// Each returns what is wrong, or nothing.
std::string check_ordered(const Session& session);       // revisions never fall
std::string check_unique(const Session& session);        // no change twice
std::string check_atomic(const Session& session, const Truth& truth);  // a revision as a whole or not at all
std::string check_bookmarkable(const Session& session);  // after a bookmark nothing at or before its revision
std::string check_resumable(const Session& session, const Truth& truth);  // begins right after its start
std::string check_reliable(const Session& session, const Truth& truth);   // no gap up to where it came
std::string check_filter(const Session& session);        // nothing but what was selected
std::string check_is_create(const Session& session, const Truth& truth);  // ADDED if and only if it was not there
std::string check_previous(const Session& session, const Truth& truth);   // DELETED carries the last state

// The first of them that fails, with its name.
std::string check_session(const Session& session, const Truth& truth);
std::string check_listing(const Listing& listing, const Truth& truth);
// Every acknowledged write happened, once, with the revision of its answer.
std::string check_writes(const std::vector<Write>& writes, const Truth& truth);

}  // namespace history
