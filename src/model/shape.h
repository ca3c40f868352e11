#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// What is known of a value's members before any event is seen: of a table's rows from its columns,
// of an object from the schema. Null where a `const Shape*` is wanted: nothing is known.
struct Shape {
  struct Member {
    std::string name;
    const Shape* shape = nullptr;
  };

  std::string table;               // whose rows these are; empty: an object of the schema
  std::vector<Member> members;     // of a map
  bool is_closed = false;          // a map has no other members
  const Shape* element = nullptr;  // of what is a list for certain

  // Null: there is no such member.
  [[nodiscard]] const Member* find(std::string_view name) const {
    for (const auto& member : members) {
      if (member.name == name) return &member;
    }
    return nullptr;
  }
};

// The shapes of a row's fields. They may refer to each other in circles. Move, never copy.
struct RowShapes {
  RowShapes() = default;
  RowShapes(RowShapes&&) = default;
  RowShapes& operator=(RowShapes&&) = default;

  std::deque<Shape> shapes;
  std::vector<const Shape*> fields;  // by slot
};

}  // namespace millrace
