#include <doctest/doctest.h>

#include "../data_fixture.h"

using namespace hd::data;
using fixture::codeOf;
using fixture::findings;
using fixture::object;

namespace {

std::string objectXml(const std::string& name, const std::string& x1, const std::string& y1,
                      const std::string& x2, const std::string& y2, const std::string& more = "") {
  return "<object><name>" + name + "</name>" + more + "<bndbox><xmin>" + x1 + "</xmin><ymin>" + y1 +
         "</ymin><xmax>" + x2 + "</xmax><ymax>" + y2 + "</ymax></bndbox></object>";
}

std::string xml(const std::string& objects, const std::string& filename = "x.jpg") {
  return "<annotation><filename>" + filename +
         "</filename><size><width>64</width><height>48</height></size>" + objects + "</annotation>";
}

class Voc {
 public:
  Voc() {
    for (const char* name : {"a.png", "b.PNG", "c.png"}) {
      fixture::writePicture(folder_ / "images/p.png", 64, 48);
      std::filesystem::rename(folder_ / "images/p.png", folder_ / "images" + ("/" + std::string(name)));
    }
  }
  void write(const std::string& name, const std::string& text) const {
    fixture::writeText(folder_ / name, text);
  }
  std::shared_ptr<const Dataset> open(hd::Value spec = {}) const {
    spec.set("format", "voc").set("images", folder_ / "images").set("annotations", folder_ / "xml");
    if (std::filesystem::exists(folder_ / "list.txt")) spec.set("list", folder_ / "list.txt");
    return Dataset::open(spec);
  }
  /// Opens a data set of the one file a.xml.
  std::shared_ptr<const Dataset> one(const std::string& text, hd::Value spec = {}) const {
    write("xml/a.xml", text);
    return open(std::move(spec));
  }

 private:
  fixture::Folder folder_;
};

}  // namespace

TEST_CASE("voc: coordinates lose the offset, difficult is kept, classes are found and sorted") {
  const Voc voc;
  voc.write("xml/b.xml", xml(objectXml("zebra", "1", "1", "64", "48")));
  const auto dataset = voc.one(xml(objectXml(" cat ", "11", "21.5", "31", "41", "<difficult>1</difficult>") +
                                   objectXml("ant", "2", "2", "9", "9")));
  CHECK(dataset->classes() == std::vector<std::string>{"ant", "cat", "zebra"});
  REQUIRE(dataset->size() == 2);
  REQUIRE(dataset->annotations(0).size() == 2);
  const Annotation& a = dataset->annotations(0)[0];
  CHECK(a.x1 == 10);
  CHECK(a.y1 == 20.5f);
  CHECK(a.x2 == 30);
  CHECK(a.y2 == 40);
  CHECK(a.area == 20 * 19.5);
  CHECK(a.label == 1);
  CHECK(a.difficult);
  CHECK_FALSE(dataset->annotations(0)[1].difficult);
  CHECK(dataset->annotations(1)[0].x1 == 0);
  CHECK(dataset->findings().empty());
  const auto fromZero = voc.open(object({{"offset", 0}}));
  CHECK(fromZero->annotations(0)[0].x1 == 11);
  CHECK(fromZero->digest() != dataset->digest());
}

TEST_CASE("voc: a list chooses and orders; ids, pictures, paths and class-list columns are understood") {
  const Voc voc;
  for (const char* id : {"a", "b", "c"})
    voc.write(std::string("xml/") + id + ".xml", xml(objectXml("cat", "2", "2", "20", "20")));
  voc.write("list.txt", "# comment\r\nc.png\r\n\r\nimages/a.png\nb  -1\nmissing\n");
  const auto dataset = voc.open();
  REQUIRE(dataset->size() == 3);
  CHECK(dataset->file(0).ends_with("/c.png"));
  CHECK(dataset->file(1).ends_with("/a.png"));
  CHECK(dataset->file(2).ends_with("/b.PNG"));
  CHECK(findings(*dataset, "missing-annotation") == 1);
  CHECK(dataset->trainable().size() == 3);
}

TEST_CASE("voc: an entry that is longer than any file name is a missing annotation") {
  const Voc voc;
  voc.write("xml/a.xml", xml(objectXml("cat", "2", "2", "20", "20")));
  voc.write("list.txt", std::string(300, 'n') + "\n" + std::string(9000, 'n') + " 1\na\n");
  const auto dataset = voc.open();
  CHECK(dataset->size() == 1);
  CHECK(findings(*dataset, "missing-annotation") == 2);
}

TEST_CASE("voc: classes of the recipe are the only ones") {
  const Voc voc;
  const auto dataset =
      voc.one(xml(objectXml("cat", "2", "2", "20", "20") + objectXml("dgo", "2", "2", "20", "20")),
              object({{"classes", hd::Value::Array{"dog", "cat"}}}));
  CHECK(dataset->annotations(0).size() == 1);
  CHECK(dataset->annotations(0)[0].label == 1);
  REQUIRE(findings(*dataset, "unknown-class") == 1);
  CHECK(dataset->findings()[0].message.find("nearest: 'dog'") != std::string::npos);
}

TEST_CASE("voc: bad boxes become findings that name file and object") {
  const Voc voc;
  const auto dataset =
      voc.one(xml(objectXml("cat", "20", "20", "10", "30") + objectXml("cat", "1", "x", "10", "30") +
                  objectXml("cat", "5", "5", "5", "9") + "<object><name>cat</name></object>" +
                  objectXml("cat", "200", "1", "210", "30") + objectXml("cat", "1", "1", "nan", "3") +
                  objectXml("cat", "3", "3", "30", "30")));
  CHECK(findings(*dataset, "negative-size") == 1);
  CHECK(findings(*dataset, "invalid-box") == 3);
  CHECK(findings(*dataset, "zero-area") == 1);
  CHECK(findings(*dataset, "box-outside") == 1);
  CHECK(dataset->annotations(0).size() == 1);
  CHECK(dataset->findings()[0].where.ends_with("a.xml, object 2"));
}

TEST_CASE("voc: the picture's header wins over a wrong size, and a missing picture is found") {
  const Voc voc;
  voc.write("xml/b.xml", "<annotation><size><width>1</width></size>" +
                             objectXml("cat", "2", "2", "20", "20") + "</annotation>");
  voc.write("xml/nowhere.xml", xml(objectXml("cat", "2", "2", "20", "20")));
  const auto dataset = voc.one("<annotation><size><width>48</width><height>64</height></size>" +
                               objectXml("cat", "2", "2", "20", "20") + "</annotation>");
  CHECK(dataset->width(0) == 64);
  CHECK(dataset->width(1) == 64);
  CHECK(findings(*dataset, "size-mismatch") == 1);
  CHECK(findings(*dataset, "missing-file") == 1);
  CHECK(dataset->trainable() == std::vector<int64_t>{0, 1});
}

TEST_CASE("voc: the file name inside the XML serves when the XML's own name leads nowhere") {
  const Voc voc;
  voc.write("xml/0001.xml", xml(objectXml("cat", "2", "2", "20", "20"), "c.png"));
  CHECK(voc.open()->file(0).ends_with("/c.png"));
}

TEST_CASE("voc: entities and document types are refused, broken XML is listed together") {
  const Voc voc;
  const auto failure = [&](const std::string& text) {
    std::string message;
    try {
      voc.one(text);
    } catch (const hd::Error& error) {
      CHECK(error.code() == "HD_DATA_FORMAT");
      message = error.what();
    }
    return message;
  };
  const std::string bomb =
      "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y "
      "\"&x;&x;&x;&x;\">]><annotation><object><name>&y;</name></object></annotation>";
  CHECK(failure(bomb).find("document type") != std::string::npos);
  CHECK(failure("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><annotation/>").find("document type") !=
        std::string::npos);
  CHECK(failure("<other/>").find("<annotation>") != std::string::npos);
  CHECK(failure("").find("a.xml") != std::string::npos);
  voc.write("xml/b.xml", "<annotation><object></annotation>");
  voc.write("xml/c.xml", "<annotation>");
  const std::string both = failure(xml(""));
  CHECK(both.find("2 broken places") != std::string::npos);
  CHECK(both.find("b.xml at byte ") != std::string::npos);
  CHECK(both.find("c.xml") != std::string::npos);
}

TEST_CASE("voc: nothing to read is an error with the path") {
  const Voc voc;
  CHECK(codeOf([&] { voc.open(); }) == "HD_DATA_FILE");  // no folder of annotations
  voc.write("xml/readme.txt", "");
  CHECK(codeOf([&] { voc.open(); }) == "HD_DATA_EMPTY");
  CHECK(codeOf([&] { voc.one(xml("")); }) == "HD_DATA_CLASSES");  // no object anywhere: classes must be given
  CHECK(voc.one(xml(""), object({{"classes", hd::Value::Array{"cat"}}}))->size() == 1);
}

TEST_CASE("voc: deep nesting does not exhaust the stack") {
  const Voc voc;
  std::string deep = "<annotation>";
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  CHECK(codeOf([&] { voc.one(deep); }) == "HD_DATA_FORMAT");
  for (int i = 0; i < 100000; ++i) deep += "</a>";
  CHECK(codeOf([&] { voc.one(deep + "</annotation>"); }) == "HD_DATA_CLASSES");
}
