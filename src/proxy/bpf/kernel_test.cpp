// The maps and programs in a real kernel: needs root, else it is skipped. What is attached looks for the cookie of a
// network namespace that the test made, so nobody else's sockets are touched.
#include "proxy/bpf/kernel.hpp"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "sys/mount.hpp"

namespace proxy::bpf {
namespace {

service_key key_of(uint16_t n) {
  service_key key{};
  key.address.low = n;
  key.port = n;
  key.protocol = 6;
  return key;
}

class KernelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    char text[] = "/tmp/sampan-bpf-XXXXXX";
    folder_ = ::mkdtemp(text);
    options_.pins = folder_ + "/pins";
    options_.sizes = {.services = 16, .choices = 64, .endpoints = 32, .pools = 16, .udp_flows = 64, .affinity = 64};
  }
  void TearDown() override {
    if (folder_.empty()) return;
    EXPECT_TRUE(remove_pins(options_.pins));
    std::filesystem::remove_all(folder_);
  }
  std::unique_ptr<Kernel> open() {
    auto kernel = Kernel::open(options_);
    EXPECT_TRUE(kernel) << kernel.error().message;
    return kernel ? std::move(*kernel) : nullptr;
  }
  std::string folder_;
  Options options_;
};

TEST_F(KernelTest, TheVerifierTakesThePrograms) {
  auto kernel = open();
  ASSERT_TRUE(kernel);
  EXPECT_FALSE(kernel->took_over());
  EXPECT_EQ(kernel->memory().endpoints.size(), 32u);
}

TEST_F(KernelTest, AnotherProcessTakesTheMapsOver) {
  {
    auto kernel = open();
    ASSERT_TRUE(kernel);
    service_key key = key_of(7);
    service_entry entry{.first = 3, .count = 1, .pool = 2, .affinity_seconds = 0, .flags = 0, .balance = 0, .zero = 0};
    ASSERT_TRUE(kernel->set_services({&key, 1}, {&entry, 1}));
    kernel->memory().flows[5].connections = 77;
    ASSERT_TRUE(kernel->set_namespace(123'456'789, NAMESPACE_POD));
    auto attached = kernel->attach();
    ASSERT_TRUE(attached) << attached.error().message;
  }
  auto kernel = open();
  ASSERT_TRUE(kernel);
  EXPECT_TRUE(kernel->took_over());
  auto services = kernel->read_services();
  ASSERT_TRUE(services);
  ASSERT_EQ(services->size(), 1u);
  EXPECT_EQ((*services)[0].second.first, 3u);
  EXPECT_EQ(kernel->memory().flows[5].connections, 77u);
  EXPECT_EQ(kernel->read_namespaces(), std::vector<uint64_t>{123'456'789});
  auto attached = kernel->attach();
  EXPECT_TRUE(attached) << attached.error().message;
}

TEST_F(KernelTest, MapsThatWereNeverPinnedAsAWholeAreMadeAnew) {
  {
    auto kernel = open();
    ASSERT_TRUE(kernel);
    ASSERT_TRUE(kernel->attach());
  }
  std::filesystem::rename(options_.pins + "/maps-1", options_.pins + "/making");
  auto kernel = open();
  ASSERT_TRUE(kernel);
  EXPECT_FALSE(kernel->took_over());
  auto attached = kernel->attach();
  EXPECT_TRUE(attached) << attached.error().message;
  EXPECT_TRUE(std::filesystem::exists(options_.pins + "/maps-1/services"));
}

TEST_F(KernelTest, GrowingKeepsWhatTheMapsHold) {
  auto kernel = open();
  ASSERT_TRUE(kernel);
  ASSERT_TRUE(kernel->attach());
  std::vector<service_key> keys;
  std::vector<service_entry> entries;
  for (uint16_t n = 0; n < 16; ++n) {
    keys.push_back(key_of(n));
    entries.push_back({.first = n, .count = 1, .pool = 0, .affinity_seconds = 0, .flags = 0, .balance = 0, .zero = 0});
  }
  ASSERT_TRUE(kernel->set_services(keys, entries));
  auto one_more = key_of(99);
  auto full = kernel->set_services({&one_more, 1}, {entries.data(), 1});
  ASSERT_FALSE(full);
  EXPECT_NE(full.error().message.find("it holds 16"), std::string::npos) << full.error().message;
  kernel->memory().choices[63] = 4711;
  kernel->memory().flows[31].in_flight = 3;
  Sizes larger = kernel->sizes();
  larger.services = larger.choices = larger.endpoints = 1024;
  auto grown = kernel->grow(larger);
  ASSERT_TRUE(grown) << grown.error().message;
  EXPECT_TRUE(kernel->set_services({&one_more, 1}, {entries.data(), 1}));
  EXPECT_EQ(kernel->read_services()->size(), 17u);
  EXPECT_EQ(kernel->memory().choices[63], 4711u);
  EXPECT_EQ(kernel->memory().flows[31].in_flight, 3u);
  EXPECT_EQ(kernel->memory().flows.size(), 1024u);
  kernel.reset();
  kernel = open();
  ASSERT_TRUE(kernel);
  EXPECT_TRUE(kernel->took_over());
  EXPECT_EQ(kernel->sizes().endpoints, 1024u);
}

// The first table of the next run may already be larger.
TEST_F(KernelTest, GrowingWhatWasTakenOverIsPinned) {
  {
    auto kernel = open();
    ASSERT_TRUE(kernel);
    ASSERT_TRUE(kernel->attach());
  }
  {
    auto kernel = open();
    ASSERT_TRUE(kernel);
    ASSERT_TRUE(kernel->took_over());
    Sizes larger = kernel->sizes();
    larger.services = larger.choices = larger.endpoints = 1024;
    auto grown = kernel->grow(larger);
    ASSERT_TRUE(grown) << grown.error().message;
    kernel->memory().flows[5].connections = 77;
    auto attached = kernel->attach();
    ASSERT_TRUE(attached) << attached.error().message;
  }
  auto kernel = open();
  ASSERT_TRUE(kernel);
  EXPECT_TRUE(kernel->took_over());
  EXPECT_EQ(kernel->sizes().endpoints, 1024u);
  EXPECT_EQ(kernel->memory().flows[5].connections, 77u);
}

TEST_F(KernelTest, RemovedPinsLeaveNothing) {
  {
    auto kernel = open();
    ASSERT_TRUE(kernel);
    ASSERT_TRUE(kernel->attach());
  }
  EXPECT_TRUE(remove_pins(options_.pins));
  EXPECT_TRUE(remove_pins(options_.pins)) << "nothing there is fine";
  EXPECT_TRUE(sys::mounts_below(options_.pins)->empty());
}

TEST_F(KernelTest, WithoutRightsTheErrorNamesThem) {
  base::Result<std::unique_ptr<Kernel>> kernel;
  options_.pins = "";
  std::thread([&] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    ASSERT_EQ(::syscall(SYS_capset, &header, none), 0);  // of this thread only
    kernel = Kernel::open(options_);
  }).join();
  ASSERT_FALSE(kernel);
  EXPECT_NE(kernel.error().message.find("CAP_BPF"), std::string::npos) << kernel.error().message;
}

TEST_F(KernelTest, WhereNothingCanBePinnedTheErrorSaysWhere) {
  options_.pins = "/proc/nowhere";
  auto kernel = Kernel::open(options_);
  ASSERT_FALSE(kernel);
  EXPECT_NE(kernel.error().message.find("/proc/nowhere"), std::string::npos) << kernel.error().message;
  options_.pins = folder_ + "/pins";
}

TEST_F(KernelTest, WhatIsNoCgroupIsRefusedWhenAttaching) {
  options_.cgroup = folder_;
  auto kernel = open();
  ASSERT_TRUE(kernel);
  auto attached = kernel->attach();
  ASSERT_FALSE(attached);
  EXPECT_NE(attached.error().message.find("attach connect4 to " + folder_), std::string::npos)
      << attached.error().message;
}

TEST(Kernel, WithoutCgroup2TheErrorSaysWhatToDo) {
  Options options;
  options.cgroup = "/nowhere";
  auto kernel = Kernel::open(options);
  ASSERT_FALSE(kernel);
  EXPECT_NE(kernel.error().message.find("/nowhere"), std::string::npos) << kernel.error().message;
}

}  // namespace
}  // namespace proxy::bpf
