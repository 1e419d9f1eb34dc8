#include "server/health.hpp"

#include <gtest/gtest.h>

namespace server {
namespace {

TEST(Health, TellsWhatIsWrong) {
  Health health;
  bool broken = false;
  health.add({.name = "store", .check = [&]() -> base::Result<void> {
                if (broken) return base::fail(base::Reason::internal_error, "the disk is full");
                return {};
              }});
  auto ask = [&](std::string_view path, std::string_view query = "") {
    return health.answer(path, net::Query::parse(query));
  };
  EXPECT_EQ(ask("livez").text, "ok");
  EXPECT_EQ(ask("livez", "verbose").text, "[+]ping ok\n[+]log ok\n[+]store ok\nlivez check passed\n");
  EXPECT_EQ(ask("readyz", "verbose").text, "[+]ping ok\n[+]log ok\n[+]shutdown ok\n[+]store ok\nreadyz check passed\n");
  EXPECT_EQ(ask("readyz/store").text, "ok");
  EXPECT_EQ(ask("readyz/nothing").status, 404);
  EXPECT_EQ(ask("livez/shutdown").status, 404) << "only readyz knows it";

  broken = true;
  auto answer = ask("readyz");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.text, "[+]ping ok\n[+]log ok\n[+]shutdown ok\n[-]store failed: reason withheld\nreadyz check failed\n");
  EXPECT_EQ(ask("readyz/store").status, 500);
  EXPECT_EQ(ask("readyz/store").text, "internal server error: the disk is full\n");
  EXPECT_EQ(ask("readyz", "exclude=store").text, "ok");
  EXPECT_EQ(ask("readyz", "exclude=store&exclude=x&verbose").text,
            "[+]ping ok\n[+]log ok\n[+]shutdown ok\n[+]store excluded: ok\n"
            "warn: some health checks cannot be excluded: no matches for \"x\"\nreadyz check passed\n");
}

TEST(Health, NotReadyOnTheWayOut) {
  Health health;
  health.begin_shutdown();
  EXPECT_EQ(health.answer("readyz", {}).status, 500);
  EXPECT_EQ(health.answer("livez", {}).status, 200);
  EXPECT_EQ(health.answer("healthz", {}).text, "ok");
}

}  // namespace
}  // namespace server
