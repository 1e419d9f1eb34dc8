// Stored objects in protobuf: one of them, lists, watch events, and documents such as Status. What is stored
// follows its schema, so that a failure here is a bug and thrown. Pure; any thread.
//
// Source: apimachinery's serializer/protobuf; k8s.io/apimachinery/pkg/apis/meta/v1 for lists and watch
// events.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "server/tables.hpp"

namespace server {

// One object as `format.shape` says: whole, or its metadata. Never a Table.
std::string protobuf_object(const api::Kind& kind, const Format& format, std::string_view json);
std::unique_ptr<ListSource> make_protobuf_list(api::KindPtr kind, const Format& format, const ListMeta& meta,
                                               std::vector<store::EntryPtr> entries, std::shared_ptr<ListRoom> room);
// A frame of a watch around an object that has its envelope already.
std::string protobuf_event(std::string_view type, std::string_view object);
// A Status, a Scale: whatever names its own kind.
std::string protobuf_document(const api::Registry& kinds, std::string_view json);

}  // namespace server
