#include "io/pickle.h"

#include <doctest/doctest.h>

#include "files.h"
#include "pickle_writer.h"

using namespace hd::io;
using namespace hd::io::test;

namespace {

Pickle read(const std::string& stream, size_t origin = 0) {
  return readPickle({reinterpret_cast<const uint8_t*>(stream.data()), stream.size()}, "w.pth", origin);
}

Thrown refusal(const std::string& stream) {
  return thrownBy([&] { read(stream); });
}

/// What was pickled, in Python's notation.
std::string show(const Pickle& pickle, PickleRef ref) {
  const PickleNode& node = pickle[ref];
  const auto items = [&](const char* open, const char* close) {
    std::string out = open;
    for (size_t i = 0; i < node.items.size(); ++i) {
      const bool value = node.kind == PickleKind::dict && i % 2 == 1;
      out += (i == 0 ? "" : value ? ":" : ",") + show(pickle, node.items[i]);
    }
    return out + close;
  };
  switch (node.kind) {
    case PickleKind::none:
      return "None";
    case PickleKind::boolean:
      return node.integer == 1 ? "True" : "False";
    case PickleKind::integer:
      return std::to_string(node.integer);
    case PickleKind::longInteger:
      return "long" + std::to_string(node.text.size());
    case PickleKind::real:
      return hd::concat(node.real);
    case PickleKind::text:
      return "'" + std::string(node.text) + "'";
    case PickleKind::bytes:
      return "b'" + std::string(node.text) + "'";
    case PickleKind::tuple:
      return items("(", ")");
    case PickleKind::list:
      return items("[", "]");
    case PickleKind::dict:
      return items("{", "}");
    case PickleKind::global:
      return std::string(node.text);
    case PickleKind::storage:
      return items("storage(", ")");
    case PickleKind::tensor:
      return items("tensor(", ")");
    case PickleKind::opaque:
      return "<" + std::string(node.text) + ">";
  }
  return "?";
}

/// The object that `body` (opcodes without PROTO and STOP) builds.
std::string shown(std::string_view body) {
  const std::string stream = PickleWriter().raw(body).stop();
  const Pickle pickle = read(stream);
  CHECK(pickle.bytes == stream.size());
  return show(pickle, pickle.root);
}

template <size_t Size>
std::string_view bytes(const char (&literal)[Size]) {
  return {literal, Size - 1};
}

}  // namespace

TEST_CASE("pickle: numbers") {
  CHECK(shown("N") == "None");
  CHECK(shown("\x88") == "True");
  CHECK(shown("\x89") == "False");
  CHECK(shown("K\xff") == "255");
  CHECK(shown("M\x01\x02") == "513");
  CHECK(shown("J\xfe\xff\xff\xff") == "-2");
  CHECK(shown(bytes("\x8a\x00")) == "0");
  CHECK(shown("\x8a\x01\xff") == "-1");
  CHECK(shown(bytes("\x8a\x02\xff\x00")) == "255");
  CHECK(shown(bytes("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80")) == "-9223372036854775808");
  CHECK(shown(bytes("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00")) == "long9");
  CHECK(shown(bytes("\x8b\x02\x00\x00\x00\x01\x01")) == "257");
  CHECK(shown(bytes("G\x3f\xf8\x00\x00\x00\x00\x00\x00")) == "1.5");
  CHECK(shown(bytes("G\xc0\x00\x00\x00\x00\x00\x00\x00")) == "-2");
}

TEST_CASE("pickle: texts and bytes of every length field") {
  CHECK(shown(bytes("X\x02\x00\x00\x00xy")) == "'xy'");
  CHECK(shown("\x8c\x02xy") == "'xy'");
  CHECK(shown(bytes("\x8d\x02\x00\x00\x00\x00\x00\x00\x00xy")) == "'xy'");
  CHECK(shown("U\x02xy") == "'xy'");
  CHECK(shown(bytes("T\x02\x00\x00\x00xy")) == "'xy'");
  CHECK(shown("C\x02xy") == "b'xy'");
  CHECK(shown(bytes("B\x02\x00\x00\x00xy")) == "b'xy'");
  CHECK(shown(bytes("\x8e\x02\x00\x00\x00\x00\x00\x00\x00xy")) == "b'xy'");
  CHECK(shown(bytes("\x96\x02\x00\x00\x00\x00\x00\x00\x00xy")) == "b'xy'");
}

TEST_CASE("pickle: containers") {
  CHECK(shown(")") == "()");
  CHECK(shown("K\1\x85") == "(1)");
  CHECK(shown("K\1K\2\x86") == "(1,2)");
  CHECK(shown("K\1K\2K\3\x87") == "(1,2,3)");
  CHECK(shown("(K\1K\2K\3K\4t") == "(1,2,3,4)");
  CHECK(shown("(t") == "()");
  CHECK(shown("]") == "[]");
  CHECK(shown("]K\1a") == "[1]");
  CHECK(shown("](K\1K\2e(K\3e") == "[1,2,3]");
  CHECK(shown("(K\1K\2l") == "[1,2]");
  CHECK(shown("}") == "{}");
  CHECK(shown("}K\1K\2s") == "{1:2}");
  CHECK(shown("}(K\1K\2K\3K\4u") == "{1:2,3:4}");
  CHECK(shown("(K\1K\2d") == "{1:2}");
  CHECK(shown("\x8f(K\1K\2\x90") == "[1,2]");
  CHECK(shown("(K\1K\2\x91") == "(1,2)");
}

TEST_CASE("pickle: stack and memo") {
  CHECK(shown("K\1K\2"
              "0") == "1");
  CHECK(shown("K\1(K\2K\3"
              "1") == "1");
  CHECK(shown("K\1(0") == "1");
  CHECK(shown("K\1(K\2"
              "00") == "1");
  CHECK(shown("K\1"
              "2\x86") == "(1,1)");
  CHECK(shown("]q\5"
              "0h\5K\1a") == "[1]");
  CHECK(shown(bytes("K\7r\x00\x01\x00\x00"
                    "0j\x00\x01\x00\x00")) == "7");
  CHECK(shown(bytes("K\7\x94K\10\x94"
                    "00h\x00h\x01\x86")) == "(7,8)");
  CHECK(shown(bytes("\x95\x08\x00\x00\x00\x00\x00\x00\x00K\1")) == "1");
}

TEST_CASE("pickle: a list may hold itself") {
  const std::string stream = PickleWriter()
                                 .raw(bytes("]q\x00h\x00"
                                            "a"))
                                 .stop();
  const Pickle pickle = read(stream);
  CHECK(pickle[pickle.root].items == std::vector<PickleRef>{pickle.root});
}

TEST_CASE("pickle: classes by name") {
  CHECK(shown("ctorch\nFloatStorage\n") == "torch.FloatStorage");
  CHECK(shown("\x8c\5torch\x8c\4Size\x93") == "torch.Size");
}

TEST_CASE("pickle: the calls that torch.save needs have their meaning") {
  PickleWriter tensor;
  tensor.tensor("FloatStorage", "0", 6, 1, {2, 3}, {3, 1});
  const std::string stream = tensor.stop();
  const Pickle pickle = read(stream);
  CHECK(show(pickle, pickle.root) ==
        "tensor(storage('storage',torch.FloatStorage,'0','cpu',6),1,(2,3),(3,1))");

  const auto parameter = [&](const char* name) {
    PickleWriter writer;
    writer.global("torch._utils", name)
        .mark()
        .tensor("HalfStorage", "k", 1, 0, {}, {})
        .boolean(true)
        .orderedDict()
        .tuple()
        .reduce();
    const std::string text = writer.stop();
    const Pickle result = read(text);
    return show(result, result.root);
  };
  CHECK(parameter("_rebuild_parameter") ==
        "tensor(storage('storage',torch.HalfStorage,'k','cpu',1),0,(),())");
  CHECK(parameter("_rebuild_parameter_with_state") == parameter("_rebuild_parameter"));
  CHECK(parameter("_rebuild_something") == "<torch._utils._rebuild_something>");
  CHECK(shown("ctorch\nSize\n(K\1K\2t\x85R") == "(1,2)");
  CHECK(shown("ccollections\nOrderedDict\n)R(K\1K\2u") == "{1:2}");
  CHECK(shown("ccollections\nOrderedDict\n](](K\1K\2e](K\3K\4ee\x85R") == "{1:2,3:4}");
  CHECK(shown("ccollections\nOrderedDict\n)RK\1K\2s}b") == "{1:2}");  // attributes leave the items alone
}

TEST_CASE("pickle: every other call is remembered, not made") {
  const std::string stream = PickleWriter().attack().stop();
  const Pickle pickle = read(stream, 100);
  CHECK(show(pickle, pickle.root) == "<os.system>");
  CHECK(pickle[pickle.root].offset > 100);
  CHECK_FALSE(std::filesystem::exists("/tmp/hdtrain-was-here"));

  CHECK(shown("cm\nC\n)\x81") == "<m.C>");          // NEWOBJ
  CHECK(shown("cm\nC\n)}\x92") == "<m.C>");         // NEWOBJ_EX
  CHECK(shown("(cm\nC\nK\1o") == "<m.C>");          // OBJ
  CHECK(shown("cm\nf\n)R)R") == "<m.f>");           // what a call returned, called
  CHECK(shown("cm\nC\n)\x81K\1b") == "<m.C>");      // its state
  CHECK(shown("cm\nC\n)\x81(K\1K\2u") == "<m.C>");  // its items
  CHECK(shown("cm\nC\n)\x81K\1a") == "<m.C>");
  CHECK(shown("ccollections\nOrderedDict\nK\1\x85R") == "<collections.OrderedDict>");
  CHECK(shown("ctorch\nSize\n)R") == "<torch.Size>");
  CHECK(shown("K\1Q") == "<an unknown persistent object>");
  CHECK(shown("U\6module\x85Q") == "<an unknown persistent object>");
}

TEST_CASE("pickle: a tensor whose class sets its own state is no plain tensor") {
  const std::string stream = PickleWriter().tensor("FloatStorage", "0", 1, 0, {}, {}).none().build().stop();
  const Pickle pickle = read(stream);
  CHECK(pickle[pickle.root].kind == PickleKind::opaque);
}

TEST_CASE("pickle: streams that no pickler writes are corrupt, with the offset of the opcode") {
  const std::string_view bad[] = {
      "",        // STOP on an empty stack
      "(",       // STOP on a mark
      "K\1K\2",  // two objects left
      "0",
      "1",
      "2",
      "t",
      "l",
      "d",
      "u",
      "e",
      "a",
      "s",
      "R",
      "b",
      "Q",
      "\x81",
      "\x85",
      "\x93",
      "o",
      "(o",
      "K\1\x86",
      "(K\1\x86",  // not enough above the mark
      "h\1",
      "q\1",  // memo
      bytes("j\xff\xff\xff\xff"),
      bytes("K\1r\xff\xff\xff\xff"),
      "K\1K\2a",
      "}K\1a",
      "]K\1K\2s",
      "](K\1u",
      "}(K\1u",
      ")(K\1e",
      "K\1)R",
      "K\1)\x81",
      "cm\nC\nK\1R",
      "K\1K\2\x93",
      "]Nb",
      "ctorch._utils\n_rebuild_tensor_v2\n)R",
      "ccollections\nOrderedDict\n]K\1a\x85R",
      "U\7storage\x85Q",
      "(U\7storageK\1U\1"
      "0U\3cpuK\1tQ",
      "(U\7storagectorch\nFloatStorage\nK\0U\3cpuK\1tQ",
  };
  for (const std::string_view body : bad) {
    CAPTURE(body);
    const auto thrown = refusal(PickleWriter().raw(body).stop());
    CHECK(thrown.code == "HD_PTH_CORRUPT");
    CHECK(thrown.says("at byte "));
  }
  const std::string late = PickleWriter().raw("K\1K\2").raw("t").stop();
  CHECK(thrownBy([&] { read(late, 1000); }).says("at byte 1006"));
}

TEST_CASE("pickle: a stream cut anywhere is corrupt") {
  const std::string whole = PickleWriter(4)
                                .raw(bytes("\x95\x08\x00\x00\x00\x00\x00\x00\x00\x8b\x01\x00\x00\x00\x01"
                                           "0M\x01\x01"
                                           "0J\x01\x01\x01\x01"
                                           "0"))
                                .raw(bytes("G\x3f\xf8\x00\x00\x00\x00\x00\x00"
                                           "0C\2xy0B\2\0\0\0xy0\x8d\2\0\0\0\0\0\0\0xy0"))
                                .raw("\x8c\2xyr")
                                .raw(bytes("\1\0\0\0"))
                                .raw("0")
                                .tensor("FloatStorage", "0", 1000, 70000, {5000000000}, {1})
                                .stop();
  CHECK(read(whole).bytes == whole.size());
  for (size_t size = 0; size < whole.size(); ++size)
    REQUIRE(refusal(whole.substr(0, size)).code == "HD_PTH_CORRUPT");
  CHECK(read(whole + "trailing").bytes == whole.size());
}

TEST_CASE("pickle: protocols 0 and 1 and opcodes outside the set are unsupported") {
  CHECK(refusal("(lp0\n.").code == "HD_PTH_UNSUPPORTED");
  CHECK(refusal(PickleWriter(1).none().stop()).code == "HD_PTH_UNSUPPORTED");
  for (const std::string_view body :
       {bytes("I1\n"), bytes("V1\n"), bytes("S'a'\n"), bytes("F1\n"), bytes("L1L\n"), bytes("P1\n"),
        bytes("im\nC\n"), bytes("\x82\x01"), bytes("\x97"), bytes("\xff")}) {
    const auto thrown = refusal(PickleWriter().raw(body).stop());
    CHECK(thrown.code == "HD_PTH_UNSUPPORTED");
    CHECK(thrown.says("opcode " + std::to_string(static_cast<uint8_t>(body[0])) + ":"));
  }
}

TEST_CASE("pickle: memory is bounded whatever the stream repeats") {
  std::string many = "]";
  many.resize(3000000, ']');
  CHECK(refusal(PickleWriter().raw(many).stop()).says("2 million objects"));

  // One long tuple of arguments or list of pairs, named by many calls.
  PickleWriter tensors;
  tensors.mark();
  for (int i = 0; i < 100000; ++i) tensors.none();
  tensors.tuple().put(0).global("torch._utils", "_rebuild_tensor_v2").put(1).mark();
  for (int i = 0; i < 50000; ++i) tensors.get(1).get(0).reduce();
  const std::string stream = tensors.tuple().raw("\x86").raw("\x86").stop();
  const Pickle pickle = read(stream);
  size_t items = 0;
  for (const PickleNode& node : pickle.nodes) items += node.items.capacity();
  CHECK(items < 2 * stream.size());

  PickleWriter dicts;
  dicts.emptyList().mark();
  for (int i = 0; i < 1000; ++i) dicts.raw("NN\x86");
  dicts.appends().raw("\x85").put(0).global("collections", "OrderedDict").put(1).mark();
  for (int i = 0; i < 1000; ++i) dicts.get(1).get(0).reduce();
  CHECK(refusal(dicts.tuple().stop()).says("a list of its own"));

  PickleWriter names;
  for (int i = 0; i < 256; ++i)
    names.text(std::to_string(i) + std::string(990, 'n')).put(static_cast<uint8_t>(i)).raw("0");
  for (int i = 0; i < 65536; ++i)
    names.get(static_cast<uint8_t>(i >> 8)).get(static_cast<uint8_t>(i)).raw("\x93").raw("0");
  CHECK(refusal(names.none().stop()).says("16 MB of class names"));
}
