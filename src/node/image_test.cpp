#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "node/agent.hpp"
#include "node/image_builder.hpp"
#include "node/image_name.hpp"
#include "node/image_store.hpp"
#include "node/layer.hpp"
#include "node/oci.hpp"
#include "sys/fs.hpp"

namespace node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ImageName, ShortNamesAreCompleted) {
  EXPECT_EQ(normalise_image_name("busybox").value(), "docker.io/library/busybox:latest");
  EXPECT_EQ(normalise_image_name("luksa/kubia").value(), "docker.io/luksa/kubia:latest");
  EXPECT_EQ(normalise_image_name("index.docker.io/luksa/kubia:v2").value(), "docker.io/luksa/kubia:v2");
  EXPECT_EQ(normalise_image_name("localhost/a").value(), "localhost/a:latest");
  EXPECT_EQ(normalise_image_name("registry.k8s.io/e2e-test-images/agnhost:2.53").value(),
            "registry.k8s.io/e2e-test-images/agnhost:2.53");
  EXPECT_EQ(normalise_image_name("localhost:5000/a/b__c").value(), "localhost:5000/a/b__c:latest");
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(normalise_image_name("busybox:1@" + digest).value(), "docker.io/library/busybox@" + digest);
}

TEST(ImageName, WhatIsNoNameIsRefused) {
  for (const char* name : {"", "Upper/case", "a//b", "a:", "a:-x", "-a", "a..b", "a@sha256:12", "a b",
                           "../etc", "a/../b", "http://x/y"}) {
    EXPECT_FALSE(normalise_image_name(name)) << name;
  }
}

TEST(Member, ClimbingIsRefusedAndRootsAreClamped) {
  EXPECT_EQ(normalise_member("./a//b/./c").value(), "a/b/c");
  EXPECT_EQ(normalise_member("/etc/x").value(), "etc/x");
  EXPECT_FALSE(normalise_member("../x"));
  EXPECT_FALSE(normalise_member("a/../../x"));
  EXPECT_FALSE(normalise_member(std::string_view("a\0b", 3)));
}

TEST(ImageDocuments, BadOnesAreRefusedWithAReason) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const auto config = [&](const std::string& more) {
    return parse_image_config(
        R"({"os":"linux","config":{)" + more + R"(},"rootfs":{"diff_ids":[")" + digest + R"("]}})", "amd64");
  };
  EXPECT_TRUE(config(R"("Env":["A=b"],"User":"1000:1000","WorkingDir":"/app")"));
  EXPECT_THAT(config(R"("Env":["A"])").error().message, HasSubstr("Env"));
  EXPECT_THAT(config(R"("User":"0:0\nroot")").error().message, HasSubstr("User"));
  EXPECT_THAT(config(R"("WorkingDir":"/proc/self/fd/8")").error().message, HasSubstr("WorkingDir"));
  EXPECT_THAT(config(R"("WorkingDir":"/a/../../b")").error().message, HasSubstr("climbs"));
  EXPECT_THAT(parse_image_config(R"({"os":"windows","rootfs":{}})", "amd64").error().message,
              HasSubstr("the image is for windows"));
  EXPECT_THAT(
      parse_manifest(R"({"schemaVersion":2,"config":{"digest":")" + digest + R"(","size":1},"layers":[]})")
          .error()
          .message,
      HasSubstr("no layers"));
  EXPECT_THAT(parse_manifest(R"({"schemaVersion":2,"config":{"digest":"md5:1","size":1},"layers":[]})")
                  .error()
                  .message,
              HasSubstr("only sha256"));
  EXPECT_THAT(parse_manifest(R"({"manifests":[],"layers":[]})").error().message, HasSubstr("ambiguous"));
  EXPECT_THAT(parse_index(std::string(5 << 20, ' ')).error().message, HasSubstr("4 MiB"));
}

// Unpacking chroots and sets owners.
class LayerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "unpacking needs root";
    char name[] = "/tmp/layer_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override {
    if (!dir_.empty()) ASSERT_TRUE(sys::remove_tree(dir_));
  }
  base::Result<int64_t> unpack_bytes(const std::string& tar, const std::string& blob,
                                     const LayerLimits& limits = {}) {
    root_ = dir_ + "/layer" + std::to_string(++count_);
    CHECK_OK(sys::make_dirs(root_));
    CHECK_OK(sys::write_file(dir_ + "/blob", blob));
    return unpack_layer(dir_ + "/blob", root_, bytes_digest(tar), {}, limits);
  }
  base::Result<int64_t> unpack(const std::vector<TarEntry>& entries, const LayerLimits& limits = {}) {
    const std::string tar = make_tar(entries);
    return unpack_bytes(tar, tar, limits);
  }
  std::string read(const std::string& path) {
    return sys::read_file(root_ + "/" + path).value_or("(missing)");
  }
  bool is_whiteout(const std::string& path) {
    struct stat info{};
    return ::lstat((root_ + "/" + path).c_str(), &info) == 0 && S_ISCHR(info.st_mode) &&
           info.st_rdev == makedev(0, 0);
  }
  bool is_opaque(const std::string& path) {
    char value[4];
    return ::lgetxattr((root_ + "/" + path).c_str(), "trusted.overlay.opaque", value, sizeof(value)) == 1 &&
           value[0] == 'y';
  }

  std::string dir_;
  std::string root_;
  int count_ = 0;
};

TEST_F(LayerTest, FilesLinksOwnersAndModes) {
  ASSERT_TRUE(unpack({{.path = "./a/b", .bytes = "x", .mode = 04755, .uid = 1000},
                      {.path = "a/l", .type = AE_IFLNK, .link = "/a/b"},
                      {.path = "a/h", .hardlink = "./a/b"},
                      {.path = "/etc/rooted", .bytes = "clamped"}}));
  EXPECT_EQ(read("a/b"), "x");
  EXPECT_EQ(read("etc/rooted"), "clamped");
  struct stat one{}, two{};
  ASSERT_EQ(::stat((root_ + "/a/b").c_str(), &one), 0);
  ASSERT_EQ(::stat((root_ + "/a/h").c_str(), &two), 0);
  EXPECT_EQ(one.st_ino, two.st_ino);
  EXPECT_EQ(one.st_uid, 1000u);
  EXPECT_EQ(one.st_mode & 07777, 04755u);
}

TEST_F(LayerTest, GzipAndZstd) {
  const std::vector<TarEntry> entries = {{.path = "f", .bytes = "content"}};
  ASSERT_TRUE(unpack_bytes(make_tar(entries), make_tar(entries, ARCHIVE_FILTER_GZIP)));
  EXPECT_EQ(read("f"), "content");
  ASSERT_TRUE(unpack_bytes(make_tar(entries), make_tar(entries, ARCHIVE_FILTER_ZSTD)));
  EXPECT_EQ(read("f"), "content");
}

TEST_F(LayerTest, T1ClimbingPathsAreRefused) {
  for (const char* path : {"../../etc/x", "a/../../x", "./../x"}) {
    auto done = unpack({{.path = path, .bytes = "x"}});
    ASSERT_FALSE(done) << path;
    EXPECT_THAT(done.error().message, HasSubstr("climbs"));
  }
}

TEST_F(LayerTest, T2LinksStayInside) {
  ASSERT_TRUE(sys::make_dirs(dir_ + "/outside"));
  ASSERT_TRUE(unpack({{.path = "l", .type = AE_IFLNK, .link = dir_ + "/outside"},
                      {.path = "m", .type = AE_IFLNK, .link = "/"},
                      {.path = "m/inside", .bytes = "x"}}));
  EXPECT_EQ(read("inside"), "x");
  // A dangling link as a parent: refused, or made inside; outside stays empty.
  (void)unpack({{.path = "l", .type = AE_IFLNK, .link = dir_ + "/outside"}, {.path = "l/x", .bytes = "x"}});
  EXPECT_TRUE(sys::list_dir(dir_ + "/outside")->empty());
  (void)unpack({{.path = "l", .type = AE_IFLNK, .link = "../../../../../.." + dir_ + "/outside"},
                {.path = "l/x", .bytes = "x"}});
  EXPECT_TRUE(sys::list_dir(dir_ + "/outside")->empty());
}

TEST_F(LayerTest, T3HardLinksToElsewhereAreRefused) {
  EXPECT_THAT(unpack({{.path = "h", .hardlink = "../../etc/passwd"}}).error().message, HasSubstr("climbs"));
  EXPECT_THAT(unpack({{.path = "h", .hardlink = "/etc/passwd"}}).error().message,
              HasSubstr("not in the layer"));
  EXPECT_THAT(unpack({{.path = "l", .type = AE_IFLNK, .link = "/etc/passwd"}, {.path = "h", .hardlink = "l"}})
                  .error()
                  .message,
              HasSubstr("no regular file"));
}

TEST_F(LayerTest, T4Whiteouts) {
  ASSERT_TRUE(unpack({{.path = "d", .type = AE_IFDIR, .mode = 0755},
                      {.path = "d/.wh.gone", .bytes = ""},
                      {.path = "o", .type = AE_IFDIR, .mode = 0755},
                      {.path = "o/.wh..wh..opq", .bytes = ""},
                      {.path = "o/.wh..wh.plnk", .bytes = ""},
                      {.path = "implied/.wh.x", .bytes = ""},
                      {.path = "replaced/f", .bytes = "new"},
                      {.path = ".wh.replaced", .bytes = ""}}));
  EXPECT_TRUE(is_whiteout("d/gone"));
  EXPECT_TRUE(is_whiteout("implied/x"));
  EXPECT_TRUE(is_opaque("o"));
  EXPECT_TRUE(is_opaque("replaced"));
  EXPECT_EQ(read("replaced/f"), "new");
  EXPECT_THAT(sys::list_dir(root_ + "/o").value(), ElementsAre());
  for (const char* path : {".wh.", ".wh..", ".wh...", "a/.wh.b/c"})
    EXPECT_FALSE(unpack({{.path = path, .bytes = ""}})) << path;
  EXPECT_FALSE(
      unpack({{.path = "l", .type = AE_IFLNK, .link = "/etc"}, {.path = "l/.wh.passwd", .bytes = ""}}));
  EXPECT_FALSE(unpack({{.path = ".wh.../../x", .bytes = ""}}));
}

TEST_F(LayerTest, T5DevicesAndForeignAttributesAreLeftOut) {
  ASSERT_TRUE(unpack(
      {{.path = "dev/null", .type = AE_IFCHR, .mode = 0666},
       {.path = "dev/sda", .type = AE_IFBLK},
       {.path = "f", .bytes = "x", .attributes = {{"trusted.overlay.opaque", "y"}, {"user.kept", "v"}}}}));
  EXPECT_FALSE(sys::exists(root_ + "/dev/null"));
  EXPECT_FALSE(sys::exists(root_ + "/dev/sda"));
  char value[8];
  EXPECT_LT(::lgetxattr((root_ + "/f").c_str(), "trusted.overlay.opaque", value, sizeof(value)), 0);
}

TEST_F(LayerTest, T6TheLastOfEqualNamesWins) {
  ASSERT_TRUE(unpack({{.path = "a", .bytes = "file"},
                      {.path = "a", .type = AE_IFDIR, .mode = 0755},
                      {.path = "a/b", .bytes = "x"},
                      {.path = "c/d", .bytes = "x"},
                      {.path = "c", .bytes = "file"},
                      {.path = "e", .bytes = "1"},
                      {.path = "e", .bytes = "2"}}));
  EXPECT_EQ(read("a/b"), "x");
  EXPECT_EQ(read("c"), "file");
  EXPECT_EQ(read("e"), "2");
}

TEST_F(LayerTest, T7DamagedTarsAreRefused) {
  const std::string tar = make_tar({{.path = "f", .bytes = std::string(4000, 'x')}});
  EXPECT_FALSE(unpack_bytes(tar.substr(0, 1500), tar.substr(0, 1500)));
  std::string checksum = tar;
  checksum[100] ^= 1;
  EXPECT_FALSE(unpack_bytes(checksum, checksum));
  EXPECT_FALSE(unpack_bytes(tar, "no tar at all, but some text"));
  EXPECT_THAT(unpack_bytes("another text", tar).error().message, HasSubstr("its image says"));
}

TEST_F(LayerTest, T8BombsAreStopped) {
  const std::vector<TarEntry> big = {{.path = "zeros", .bytes = std::string(8 << 20, '\0')}};
  const LayerLimits limits{.max_bytes = 1 << 30, .max_entries = 10, .max_ratio = 20, .ratio_from = 1 << 20};
  EXPECT_THAT(unpack_bytes(make_tar(big), make_tar(big, ARCHIVE_FILTER_GZIP), limits).error().message,
              HasSubstr("times its size"));
  EXPECT_THAT(unpack(big, {.max_bytes = 1 << 20, .max_entries = 10, .max_ratio = 200, .ratio_from = 1 << 30})
                  .error()
                  .message,
              HasSubstr("limit"));
  std::vector<TarEntry> many;
  for (int i = 0; i < 20; ++i) many.push_back({.path = "f" + std::to_string(i), .bytes = ""});
  EXPECT_THAT(unpack(many, limits).error().message, HasSubstr("more than 10 entries"));
}

TEST_F(LayerTest, ImpliedFoldersTakeTheirModeFromBelow) {
  ASSERT_TRUE(unpack({{.path = "tmp", .type = AE_IFDIR, .mode = 01777}}));
  const std::string below = root_;
  const std::string tar = make_tar({{.path = "tmp/f", .bytes = "x"}});
  root_ = dir_ + "/upper";
  ASSERT_TRUE(sys::make_dirs(root_));
  ASSERT_TRUE(sys::write_file(dir_ + "/blob", tar));
  ASSERT_TRUE(unpack_layer(dir_ + "/blob", root_, bytes_digest(tar), {below}));
  struct stat info{};
  ASSERT_EQ(::stat((root_ + "/tmp").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 01777u);
}

class ImportTest : public LayerTest {
 protected:
  base::Result<std::vector<std::string>> import(const std::string& bytes) {
    CHECK_OK(sys::write_file(dir_ + "/image.tar", bytes));
    return import_image(dir_ + "/images", dir_ + "/image.tar");
  }
  std::vector<TarEntry> members() {
    return oci_members("luksa/kubia", {make_tar({{.path = "f", .bytes = "x"}})},
                       {{"Cmd", base::Array{"/f"}}, {"User", "1000"}});
  }
};

TEST_F(ImportTest, OciArchiveAgainAndAsFolder) {
  EXPECT_THAT(import(make_tar(members())).value(), ElementsAre("docker.io/luksa/kubia:latest"));
  EXPECT_THAT(import(make_tar(members(), ARCHIVE_FILTER_ZSTD)).value(),
              ElementsAre("docker.io/luksa/kubia:latest"));
  const auto listed = list_images(dir_ + "/images");
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_THAT((*listed)[0].id, ::testing::StartsWith("sha256:"));
  const auto found = ImageStore(dir_ + "/images").find("luksa/kubia");
  ASSERT_TRUE(found);
  EXPECT_THAT(found->config.cmd, ElementsAre("/f"));
  EXPECT_EQ(found->config.user, "1000");
  EXPECT_FALSE(sys::exists(dir_ + "/images/tmp"));
  for (const auto& member : members()) {
    const auto slash = member.path.rfind('/');
    if (slash != std::string::npos)
      ASSERT_TRUE(sys::make_dirs(dir_ + "/layout/" + member.path.substr(0, slash)));
    ASSERT_TRUE(sys::make_dirs(dir_ + "/layout"));
    ASSERT_TRUE(sys::write_file(dir_ + "/layout/" + member.path, member.bytes));
  }
  EXPECT_THAT(import_image(dir_ + "/images", dir_ + "/layout").value(),
              ElementsAre("docker.io/luksa/kubia:latest"));
}

TEST_F(ImportTest, DockerSaveWithLinkedLayers) {
  const std::string layer = make_tar({{.path = "f", .bytes = "x"}});
  const std::string config = R"({"os":"linux","config":{},"rootfs":{"diff_ids":[")" + bytes_digest(layer) +
                             "\",\"" + bytes_digest(layer) + R"("]}})";
  const std::string manifest =
      R"([{"Config":"c.json","RepoTags":["a:1","b:2"],"Layers":["one/layer.tar","two/layer.tar"]}])";
  EXPECT_THAT(import(make_tar({{.path = "one/layer.tar", .bytes = layer},
                               {.path = "two/layer.tar", .type = AE_IFLNK, .link = "../one/layer.tar"},
                               {.path = "c.json", .bytes = config},
                               {.path = "manifest.json", .bytes = manifest}}))
                  .value(),
              ElementsAre("docker.io/library/a:1", "docker.io/library/b:2"));
}

TEST_F(ImportTest, WhatIsNoImageIsRefusedAndLeavesNothing) {
  EXPECT_THAT(import("text").error().message, HasSubstr("is no image archive"));
  EXPECT_THAT(import(make_tar({{.path = "x", .bytes = "y"}})).error().message,
              HasSubstr("neither manifest.json"));
  EXPECT_THAT(import_image(dir_ + "/images", dir_ + "/nothing").error().message, HasSubstr("No such file"));
  auto damaged = members();
  damaged[1].bytes[600] = 'z';
  EXPECT_THAT(import(make_tar(damaged)).error().message, HasSubstr("is damaged"));
  auto shorter = members();
  shorter[1].bytes.resize(512);
  EXPECT_THAT(import(make_tar(shorter)).error().message, HasSubstr("bytes, the image says"));
  auto missing = members();
  missing.erase(missing.begin() + 1);
  EXPECT_THAT(import(make_tar(missing)).error().message, HasSubstr("has no file"));
  EXPECT_THAT(import(make_tar({{.path = "manifest.json", .type = AE_IFLNK, .link = "../../etc/passwd"}}))
                  .error()
                  .message,
              HasSubstr("leaves the archive"));
  EXPECT_TRUE(list_images(dir_ + "/images")->empty());
  EXPECT_FALSE(sys::exists(dir_ + "/images/tmp"));
}

TEST_F(ImportTest, MissingImagesNameTheWay) {
  const auto found = ImageStore(dir_ + "/images").find("luksa/kubia");
  EXPECT_EQ(found.error().message,
            "image \"luksa/kubia\" is not in this node's store: import it with: sampan image import FILE "
            "(pulling from "
            "registries comes later)");
}

}  // namespace
}  // namespace node
