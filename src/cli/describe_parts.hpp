// Pieces that several of describe's texts share: labels, annotations, times, quantities, containers, volumes,
// events. Pure functions over values; any thread (times are shown in the zone of TZ).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/time.hpp"
#include "base/value.hpp"
#include "cli/describe_layout.hpp"

namespace cli {

// An object's members by name.
std::vector<const base::Member*> sorted_members(const base::Value& object);
std::vector<std::string> string_list(const base::Value& array);
std::string joined(const base::Value& array, std::string_view separator);
// A string, number or boolean as text; `otherwise` when it is null or "".
std::string text_or(const base::Value& value, std::string_view otherwise);
std::string text_of(const base::Value& value);         // "" when null
std::string_view bool_text(const base::Value& value);  // "true", "false"

// "Mon, 02 Jan 2006 15:04:05 -0700", local; the year 1 when there is none.
std::string local_time(const base::Value& time);
// "5m", "<unknown>"
std::string since(const base::Value& time, base::Time now);
std::string quantity_text(const base::Value& quantity);
// "ReplicationController/kubia" or ""
std::string controller_text(const base::Value& object);
// "a=b,c=d" or <none>
std::string labels_text(const base::Value& labels);
// A metav1.LabelSelector: "a=b,c in (d,e)", <none> when empty, <error> when it is none.
std::string selector_text(const base::Value& selector);

// Name:, Namespace:
void put_name(Page& page, const base::Value& object);
// `title` with its own indentation, then one label per line.
void put_labels(Page& page, std::string_view title, const base::Value& labels);
// "key: value", or "key:" and indented pieces when it is long or has several lines; what `apply` keeps is
// left out.
std::vector<std::string> annotation_lines(const base::Value& annotations);
void put_annotations(Page& page, std::string_view title, const base::Value& annotations);
// Name:, Namespace:, Labels:, Annotations:
void put_metadata(Page& page, const base::Value& object);
void put_tolerations(Page& page, std::string_view title, const base::Value& tolerations);
void put_spread_constraints(Page& page, std::string_view indent, const base::Value& constraints);
// Limits:, Requests: of a ResourceRequirements.
void put_resources(Page& page, int level, const base::Value& resources);
void put_volumes(Page& page, std::string_view indent, const base::Value& volumes);
void put_pod_template(Page& page, const base::Value& pod_template);
// `events` null: nothing is written.
void put_events(Page& page, const base::Array* events, base::Time now);

struct ContainerList {
  std::string_view title;  // "Containers"
  const base::Value& containers;
  const base::Value& statuses;
  const base::Value& pod;   // null in templates: then fieldRefs have no values
  std::string_view indent;  // "" or "  "
};
void put_containers(Page& page, const ContainerList& list);

using Quantities = std::map<std::string, base::Quantity>;
Quantities read_quantities(const base::Value& resource_list);
struct PodResources {
  Quantities requests;
  Quantities limits;
};
// What the scheduler counts for the pod: containers' sum or the largest init container's need, and overhead.
PodResources resources_of_pod(const base::Value& pod);
std::string qos_class(const base::Value& pod);

}  // namespace cli
