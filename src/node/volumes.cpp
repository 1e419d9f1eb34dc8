#include "node/volumes.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/ids.hpp"
#include "base/quantity.hpp"
#include "base/strings.hpp"
#include "node/oci.hpp"
#include "sys/fs.hpp"
#include "sys/mount.hpp"

namespace node {
namespace {

std::unexpected<base::Error> bad(std::string message) {
  return base::fail(base::Reason::invalid, std::move(message));
}

using Data = std::map<std::string, std::string>;
using Payload = std::map<std::string, PayloadFile>;

// Keys as files: all of them, or those that `items` names.
base::Result<void> add_items(Payload& payload, const Data& data, const std::vector<api::KeyToPath>& items,
                             int64_t mode, bool optional, const std::string& what) {
  if (items.empty()) {
    for (const auto& [key, bytes] : data) payload[key] = {bytes, static_cast<unsigned>(mode)};
    return {};
  }
  for (const auto& item : items) {
    const auto found = data.find(item.key);
    if (found == data.end()) {
      if (optional) continue;
      return bad(what + " references non-existent config key: " + item.key);
    }
    TRY(auto path, normalise_member(item.path));
    if (path.empty()) return bad(what + ": the path of key " + item.key + " is empty");
    payload[path] = {found->second, static_cast<unsigned>(item.mode.value_or(mode))};
  }
  return {};
}

// A look-up that may be allowed to find nothing.
base::Result<Data> look_up(const std::function<base::Result<Data>(const std::string&)>& find,
                           const std::string& name, bool optional) {
  auto data = find(name);
  if (!data && optional && data.error().reason == base::Reason::not_found) return Data();
  return data;
}

base::Result<void> add_downward(Payload& payload, const api::Pod& pod,
                                const std::vector<api::DownwardAPIVolumeFile>& items, int64_t mode,
                                const EnvironmentSources& sources) {
  const auto lines = [](const Data& map) {
    std::string text;
    for (const auto& [key, value] : map) text += key + "=" + base::quote(value) + "\n";
    return text;
  };
  for (const auto& item : items) {
    TRY(auto path, normalise_member(item.path));
    std::string bytes;
    if (!item.field_ref) {
      return bad("downwardAPI: " + item.path + ": resourceFieldRef in volumes is not supported yet");
    }
    const std::string& field = item.field_ref->field_path;
    if (field == "metadata.labels") {
      bytes = lines(pod.metadata.labels);
    } else if (field == "metadata.annotations") {
      bytes = lines(pod.metadata.annotations);
    } else {
      TRY(bytes, field_value(pod, field, sources));
    }
    payload[path] = {std::move(bytes), static_cast<unsigned>(item.mode.value_or(mode))};
  }
  return {};
}

base::Result<void> add_projection(Payload& payload, const api::Pod& pod, const api::VolumeProjection& source,
                                  int64_t mode, const EnvironmentSources& sources) {
  if (source.config_map) {
    const auto& from = *source.config_map;
    TRY(auto data, look_up(sources.config_map_files, from.name, from.optional.value_or(false)));
    return add_items(payload, data, from.items, mode, from.optional.value_or(false),
                     "configmap " + from.name);
  }
  if (source.secret) {
    const auto& from = *source.secret;
    TRY(auto data, look_up(sources.secret, from.name, from.optional.value_or(false)));
    return add_items(payload, data, from.items, mode, from.optional.value_or(false), "secret " + from.name);
  }
  if (source.downward_api) return add_downward(payload, pod, source.downward_api->items, mode, sources);
  if (source.service_account_token) return bad("projected service account tokens are not supported yet");
  return bad("this kind of projected source is not supported yet");
}

base::Result<std::string> make_empty_dir(const api::Volume& volume, const VolumePlaces& places,
                                         std::optional<int64_t> group) {
  const bool memory = volume.empty_dir->medium == "Memory";
  const std::string path = (memory ? places.memory : places.disk) + "/" + volume.name;
  if (sys::is_dir(path)) return path;
  CHECK_OK(sys::make_dirs(path, 0755));
  if (memory) {
    std::string options = "mode=1777";
    if (const auto size = base::Quantity::parse(volume.empty_dir->size_limit); size && size->value() > 0) {
      options += ",size=" + std::to_string(size->value());
    }
    CHECK_OK(sys::mount_tmpfs(path, options));
  }
  if (group && ::chown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(*group)) != 0) {
    return std::unexpected(base::errno_error("give " + path + " to group " + std::to_string(*group), errno));
  }
  if (::chmod(path.c_str(), group ? 02777 : 0777) != 0)
    return std::unexpected(base::errno_error("chmod " + path, errno));
  return path;
}

base::Result<std::string> check_host_path(const api::Volume& volume) {
  const std::string& path = volume.host_path->path;
  const std::string& type = volume.host_path->type;
  for (const auto& part : base::split(path, '/')) {
    if (part == "..") return bad("hostPath " + base::quote(path) + " climbs with \"..\"");
  }
  if (type == "DirectoryOrCreate") {
    CHECK_OK(sys::make_dirs(path, 0755));
  } else if (type == "FileOrCreate" && !sys::exists(path)) {
    CHECK_OK(sys::write_file(path, "", 0644));
  }
  struct stat info{};
  const bool there = ::stat(path.c_str(), &info) == 0;
  const bool right = type.empty() || (there && ((type.starts_with("Directory") && S_ISDIR(info.st_mode)) ||
                                                (type.starts_with("File") && S_ISREG(info.st_mode)) ||
                                                (type == "Socket" && S_ISSOCK(info.st_mode)) ||
                                                (type == "CharDevice" && S_ISCHR(info.st_mode)) ||
                                                (type == "BlockDevice" && S_ISBLK(info.st_mode))));
  if (!right) return bad("hostPath type check failed: " + path + " is not a " + type);
  if (!there) CHECK_OK(sys::make_dirs(path, 0755));
  return path;
}

// Names the kinds that this node cannot mount.
std::string unsupported_kind(const api::Volume& volume) {
  api::Pod pod;
  pod.spec.volumes = {volume};
  const base::Value value = api::to_value(pod);
  const auto& volumes = value.at({"spec", "volumes"}).as_array();
  if (!volumes.empty()) {
    for (const auto& member : volumes[0].as_object()) {
      if (member.key != "name") return member.key;
    }
  }
  return "unknown";
}

base::Result<std::string> prepare_volume(const api::Pod& pod, const api::Volume& volume,
                                         const VolumePlaces& places, const EnvironmentSources& sources) {
  std::optional<int64_t> group;
  if (pod.spec.security_context) group = pod.spec.security_context->fs_group;
  if (volume.empty_dir) return make_empty_dir(volume, places, group);
  if (volume.host_path) return check_host_path(volume);
  Payload payload;
  const bool secret = volume.secret.has_value() || volume.projected.has_value();
  const std::string path = (secret ? places.memory : places.disk) + "/" + volume.name;
  if (volume.config_map) {
    const auto& from = *volume.config_map;
    TRY(auto data, look_up(sources.config_map_files, from.name, from.optional.value_or(false)));
    CHECK_OK(add_items(payload, data, from.items, from.default_mode.value_or(0644),
                       from.optional.value_or(false), "configmap " + from.name));
  } else if (volume.secret) {
    const auto& from = *volume.secret;
    TRY(auto data, look_up(sources.secret, from.secret_name, from.optional.value_or(false)));
    CHECK_OK(add_items(payload, data, from.items, from.default_mode.value_or(0644),
                       from.optional.value_or(false), "secret " + from.secret_name));
  } else if (volume.downward_api) {
    CHECK_OK(add_downward(payload, pod, volume.downward_api->items,
                          volume.downward_api->default_mode.value_or(0644), sources));
  } else if (volume.projected) {
    for (const auto& source : volume.projected->sources) {
      CHECK_OK(add_projection(payload, pod, source, volume.projected->default_mode.value_or(0644), sources));
    }
  } else {
    return bad("volumes of type " + unsupported_kind(volume) + " are not supported yet");
  }
  CHECK_OK(write_payload(path, payload, group));
  return path;
}

bool payload_is_current(const std::string& folder, const Payload& files) {
  char target[256];
  const ssize_t n = ::readlink((folder + "/..data").c_str(), target, sizeof(target));
  if (n <= 0) return false;
  const auto names = sys::list_dir(folder);
  std::vector<std::string> wanted;
  for (const auto& [path, file] : files) {
    const std::string top = path.substr(0, path.find('/'));
    if (std::find(wanted.begin(), wanted.end(), top) == wanted.end()) wanted.push_back(top);
    auto bytes = sys::read_file(folder + "/..data/" + path);
    if (!bytes || *bytes != file.bytes) return false;
  }
  return names &&
         static_cast<size_t>(std::count_if(names->begin(), names->end(), [](const std::string& name) {
           return !name.starts_with("..");
         })) == wanted.size();
}

}  // namespace

base::Result<void> write_payload(const std::string& folder, const std::map<std::string, PayloadFile>& files,
                                 std::optional<int64_t> group) {
  CHECK_OK(sys::make_dirs(folder, 0755));
  if (payload_is_current(folder, files)) return {};
  const std::string version = "..v_" + base::make_name_suffix(10);
  CHECK_OK(sys::make_dirs(folder + "/" + version, 0755));
  std::vector<std::string> tops;
  for (const auto& [path, file] : files) {
    const auto slash = path.rfind('/');
    if (slash != std::string::npos)
      CHECK_OK(sys::make_dirs(folder + "/" + version + "/" + path.substr(0, slash), 0755));
    const std::string place = folder + "/" + version + "/" + path;
    CHECK_OK(sys::write_file(place, file.bytes, 0600));
    if (group && ::chown(place.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(*group)) != 0) {
      return std::unexpected(base::errno_error("give " + place + " to its group", errno));
    }
    if (::chmod(place.c_str(), (file.mode | (group ? 0440 : 0)) & 0777) != 0) {
      return std::unexpected(base::errno_error("chmod " + place, errno));
    }
    tops.push_back(path.substr(0, path.find('/')));
  }
  if (::symlink(version.c_str(), (folder + "/..data_new").c_str()) != 0 && errno != EEXIST) {
    return std::unexpected(base::errno_error("link in " + folder, errno));
  }
  if (::rename((folder + "/..data_new").c_str(), (folder + "/..data").c_str()) != 0) {
    return std::unexpected(base::errno_error("switch " + folder, errno));
  }
  for (const auto& top : tops) {
    if (::symlink(("..data/" + top).c_str(), (folder + "/" + top).c_str()) != 0 && errno != EEXIST) {
      return std::unexpected(base::errno_error("link in " + folder, errno));
    }
  }
  TRY(auto names, sys::list_dir(folder));
  for (const auto& name : names) {
    const bool old_version = name.starts_with("..v_") && name != version;
    const bool gone = !name.starts_with("..") && std::find(tops.begin(), tops.end(), name) == tops.end();
    if (old_version || gone) CHECK_OK(sys::remove_tree(folder + "/" + name));
  }
  return {};
}

base::Result<std::map<std::string, std::string>> prepare_volumes(const api::Pod& pod,
                                                                 const VolumePlaces& places,
                                                                 const EnvironmentSources& sources) {
  std::map<std::string, std::string> paths;
  for (const auto& volume : pod.spec.volumes) {
    auto path = prepare_volume(pod, volume, places, sources);
    if (!path) {
      return std::unexpected(
          std::move(path).error().wrap("MountVolume.SetUp failed for volume \"" + volume.name + "\""));
    }
    paths[volume.name] = *path;
  }
  return paths;
}

base::Result<void> remove_volumes(const VolumePlaces& places) {
  TRY(auto mounts, sys::mounts_below(places.memory));
  for (const auto& mount : mounts) CHECK_OK(sys::unmount_lazily(mount));
  CHECK_OK(sys::remove_tree(places.memory));
  return sys::remove_tree(places.disk);
}

base::Result<ContainerMounts> plan_mounts(const api::Container& container,
                                          const std::map<std::string, std::string>& volumes,
                                          const std::string& scratch, const std::vector<std::string>& env) {
  ContainerMounts plan;
  for (size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const auto& mount = container.volume_mounts[i];
    const auto volume = volumes.find(mount.name);
    if (volume == volumes.end()) return bad("volumeMount " + mount.name + " names no volume of the pod");
    const std::string target = mount.mount_path.starts_with('/') ? mount.mount_path : "/" + mount.mount_path;
    BindMount bind{volume->second, target, mount.read_only.value_or(false), mount.mount_propagation};
    const std::string sub =
        mount.sub_path_expr.empty() ? mount.sub_path : expand_references(mount.sub_path_expr, env);
    if (!sub.empty()) {
      TRY(auto path, normalise_member(sub));
      TRY(auto root, sys::open_file(volume->second, O_PATH | O_DIRECTORY));
      auto found = sys::open_in_root(root.get(), path, O_PATH);
      if (!found && found.error().reason == base::Reason::not_found) {
        // Made one name at a time, never through a link.
        sys::Fd at = std::move(root);
        for (const auto& part : base::split(path, '/')) {
          if (::mkdirat(at.get(), part.c_str(), 0755) != 0 && errno != EEXIST) {
            return std::unexpected(base::errno_error("make subPath " + sub, errno));
          }
          sys::Fd next(::openat(at.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
          if (!next) return std::unexpected(base::errno_error("make subPath " + sub, errno));
          at = std::move(next);
        }
        found = std::move(at);
      }
      if (!found) return std::unexpected(std::move(found).error().wrap("subPath " + sub));
      struct stat info{};
      if (::fstat(found->get(), &info) != 0)
        return std::unexpected(base::errno_error("subPath " + sub, errno));
      bind.source = scratch + "/subpath-" + std::to_string(i);
      if (S_ISDIR(info.st_mode)) {
        CHECK_OK(sys::make_dirs(bind.source, 0755));
      } else {
        CHECK_OK(sys::write_file(bind.source, "", 0600));
      }
      plan.before.push_back({.source = "/proc/self/fd/" + std::to_string(found->get()),
                             .target = bind.source,
                             .type = "",
                             .flags = MS_BIND | MS_REC,
                             .options = "",
                             .working_dir = ""});
      plan.held.push_back(std::move(*found));
    }
    plan.binds.push_back(std::move(bind));
  }
  return plan;
}

}  // namespace node
