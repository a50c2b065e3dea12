// Pickle streams (protocol 2, as torch.save writes them), opcode by opcode, for the tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hd::io::test {

template <class Number>
std::string littleEndian(Number value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

class PickleWriter {
 public:
  explicit PickleWriter(uint8_t protocol = 2) {
    raw("\x80").raw(std::string(1, static_cast<char>(protocol)));
  }

  PickleWriter& raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  PickleWriter& none() { return raw("N"); }
  PickleWriter& boolean(bool value) { return raw(value ? "\x88" : "\x89"); }
  PickleWriter& integer(int64_t value) {
    if (value >= 0 && value < 256) return raw("K").raw(littleEndian(static_cast<uint8_t>(value)));
    if (value == static_cast<int32_t>(value)) return raw("J").raw(littleEndian(static_cast<int32_t>(value)));
    return raw("\x8a\x08").raw(littleEndian(value));
  }
  PickleWriter& text(std::string_view value) {
    return raw("X").raw(littleEndian(static_cast<uint32_t>(value.size()))).raw(value);
  }
  PickleWriter& global(std::string_view module, std::string_view name) {
    return raw("c").raw(module).raw("\n").raw(name).raw("\n");
  }
  PickleWriter& mark() { return raw("("); }
  PickleWriter& tuple() { return raw("t"); }  ///< of all above the mark
  PickleWriter& emptyTuple() { return raw(")"); }
  PickleWriter& reduce() { return raw("R"); }
  PickleWriter& build() { return raw("b"); }
  PickleWriter& emptyDict() { return raw("}"); }
  PickleWriter& setItems() { return raw("u"); }
  PickleWriter& emptyList() { return raw("]"); }
  PickleWriter& appends() { return raw("e"); }
  PickleWriter& put(uint8_t index) { return raw("q").raw(littleEndian(index)); }
  PickleWriter& get(uint8_t index) { return raw("h").raw(littleEndian(index)); }

  PickleWriter& orderedDict() { return global("collections", "OrderedDict").emptyTuple().reduce(); }
  /// A call that no reader should ever make.
  PickleWriter& attack() {
    return global("os", "system").mark().text("touch /tmp/hdtrain-was-here").tuple().reduce();
  }
  PickleWriter& integers(const std::vector<int64_t>& values) {
    mark();
    for (const int64_t value : values) integer(value);
    return tuple();
  }
  PickleWriter& storage(std::string_view type, std::string_view key, int64_t count) {
    return mark().text("storage").global("torch", type).text(key).text("cpu").integer(count).tuple().raw("Q");
  }
  /// torch._utils._rebuild_tensor_v2(storage, offset, size, stride, False, OrderedDict())
  PickleWriter& tensor(std::string_view type, std::string_view key, int64_t count, int64_t offset,
                       const std::vector<int64_t>& size, const std::vector<int64_t>& stride) {
    global("torch._utils", "_rebuild_tensor_v2").mark().storage(type, key, count).integer(offset);
    return integers(size).integers(stride).boolean(false).orderedDict().tuple().reduce();
  }

  std::string stop() const { return bytes_ + "."; }

 private:
  std::string bytes_;
};

}  // namespace hd::io::test
