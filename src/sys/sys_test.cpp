#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>

#include <future>
#include <thread>

#include "sys/fs.hpp"
#include "sys/process.hpp"
#include "sys/pty.hpp"

namespace {

using namespace std::chrono_literals;

class SysTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "sys_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override { ASSERT_TRUE(sys::remove_tree(dir_)); }
  std::string dir_;
};

TEST_F(SysTest, AtomicWriteReplacesAndLeavesNothingElse) {
  ASSERT_TRUE(sys::write_file_atomically(dir_ + "/f", "one"));
  ASSERT_TRUE(sys::write_file_atomically(dir_ + "/f", "two", 0600, true));
  EXPECT_EQ(sys::read_file(dir_ + "/f").value(), "two");
  EXPECT_EQ(sys::list_dir(dir_).value(), std::vector<std::string>{"f"});
}

TEST_F(SysTest, ReadSaysWhatIsMissingAndWhatIsTooLarge) {
  EXPECT_EQ(sys::read_file(dir_ + "/nothing").error().reason, base::Reason::not_found);
  ASSERT_TRUE(sys::write_file(dir_ + "/f", "12345"));
  EXPECT_EQ(sys::read_file(dir_ + "/f", 4).error().reason, base::Reason::invalid);
}

// `down` removes its lock's file; an `up` that waits for it must not go on with the lock of a file without a name.
TEST_F(SysTest, ALockIsOnTheFileOfThatName) {
  const std::string path = dir_ + "/lock";
  auto first = sys::lock_file(path);
  ASSERT_TRUE(first) << first.error().message;
  auto opened = [&] {
    size_t count = 0;
    for (const auto& fd : sys::list_dir("/proc/self/fd").value()) {
      char target[4096];
      const ssize_t n = ::readlink(("/proc/self/fd/" + fd).c_str(), target, sizeof(target));
      count += n > 0 && std::string_view(target, static_cast<size_t>(n)).ends_with(path);
    }
    return count;
  };
  auto second = std::async(std::launch::async, [&] { return sys::lock_file(path); });
  while (opened() < 2) std::this_thread::yield();
  ASSERT_TRUE(sys::remove_file(path));
  first->reset();
  auto got = second.get();
  ASSERT_TRUE(got) << got.error().message;
  sys::Fd named(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(named);
  EXPECT_NE(::flock(named.get(), LOCK_EX | LOCK_NB), 0) << "a third comer gets the lock too";
}

TEST_F(SysTest, RemoveTreeDoesNotFollowLinks) {
  ASSERT_TRUE(sys::make_dirs(dir_ + "/keep"));
  ASSERT_TRUE(sys::write_file(dir_ + "/keep/f", "x"));
  ASSERT_TRUE(sys::make_dirs(dir_ + "/tree/a/b/c"));
  ASSERT_TRUE(sys::make_dirs(""));
  ASSERT_EQ(::symlink("../../keep", (dir_ + "/tree/a/link").c_str()), 0);
  ASSERT_TRUE(sys::remove_tree(dir_ + "/tree"));
  EXPECT_FALSE(sys::exists(dir_ + "/tree"));
  EXPECT_TRUE(sys::exists(dir_ + "/keep/f"));
  EXPECT_TRUE(sys::remove_tree(dir_ + "/tree"));
}

TEST_F(SysTest, OpenInRootStaysInside) {
  ASSERT_TRUE(sys::make_dirs(dir_ + "/root"));
  ASSERT_TRUE(sys::write_file(dir_ + "/secret", "x"));
  ASSERT_EQ(::symlink("../secret", (dir_ + "/root/link").c_str()), 0);
  auto root = sys::open_file(dir_ + "/root", O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(root);
  EXPECT_EQ(sys::open_in_root(root->get(), "link", O_RDONLY).error().reason, base::Reason::not_found);
  EXPECT_EQ(sys::open_in_root(root->get(), "../secret", O_RDONLY).error().reason, base::Reason::not_found);
}

TEST(Process, RunKeepsOutputInputAndExitCode) {
  auto output = sys::run(
      {.argv = {"/bin/sh", "-c", "cat; echo oops >&2; echo $A; exit 3"}, .env = {"A=b", "PATH=/bin"}}, 10s,
      1000, "in\n");
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_EQ(output->out, "in\nb\n");
  EXPECT_EQ(output->err, "oops\n");
  EXPECT_EQ(output->status.code, 3);
}

TEST(Process, RunCutsAtTheLimitAndAtTheTimeout) {
  auto cut =
      sys::run({.argv = {"/bin/sh", "-c", "yes | head -c 100000"}, .env = {"PATH=/bin:/usr/bin"}}, 10s, 10);
  ASSERT_TRUE(cut);
  EXPECT_TRUE(cut->cut);
  EXPECT_EQ(cut->out.size(), 10u);
  auto slow = sys::run({.argv = {"/bin/sleep", "100"}}, 50ms);
  ASSERT_TRUE(slow);
  EXPECT_TRUE(slow->timed_out);
  EXPECT_EQ(slow->status.signal, SIGKILL);
}

TEST(Process, SpawnNamesTheFailedStep) {
  auto missing = sys::spawn({.argv = {"/no/such/program"}});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("execute /no/such/program"), std::string::npos)
      << missing.error().message;
  auto nowhere = sys::spawn({.argv = {"/bin/true"}, .cwd = "/no/such/folder"});
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().message.find("enter /no/such/folder"), std::string::npos);
}

TEST(Process, ChildHasNoOtherDescriptors) {
  auto extra = sys::make_pipe();
  auto output = sys::run({.argv = {"/bin/ls", "/proc/self/fd"}}, 10s);
  ASSERT_TRUE(output);
  EXPECT_EQ(output->out, "0\n1\n2\n3\n");  // 3 is the folder that ls reads
}

TEST(Process, StartTimeTellsProcessesApart) {
  auto child = sys::spawn({.argv = {"/bin/sleep", "100"}});
  ASSERT_TRUE(child);
  EXPECT_TRUE(sys::process_start_time(child->pid()));
  EXPECT_EQ(sys::process_start_time(child->pid()), sys::process_start_time(child->pid()));
  child->kill(SIGKILL);
  ASSERT_TRUE(child->wait());
  EXPECT_FALSE(sys::process_start_time(child->pid()));
}

TEST(Pty, ResizesAndCarriesBytes) {
  auto pty = sys::open_pty();
  ASSERT_TRUE(pty) << pty.error().message;
  ASSERT_TRUE(sys::resize_pty(pty->master.get(), 80, 24));
  auto child = sys::spawn({.argv = {"/bin/stty", "size"},
                           .stdin_fd = pty->slave.get(),
                           .stdout_fd = pty->slave.get(),
                           .new_session = true,
                           .controlling_terminal = pty->slave.get()});
  ASSERT_TRUE(child) << child.error().message;
  char buffer[64];
  const ssize_t n = ::read(pty->master.get(), buffer, sizeof(buffer));
  ASSERT_GT(n, 0);
  EXPECT_EQ(std::string(buffer, static_cast<size_t>(n)), "24 80\r\n");
  ASSERT_TRUE(child->wait());
}

}  // namespace
