#include "data_set.h"

namespace fuzz {
namespace {

const char* const kWhole = R"(<?xml version="1.0" encoding="UTF-8"?>
<annotation><folder>x</folder><filename>a.png</filename><!-- made by hand -->
<size><width>64</width><height>48</height><depth>3</depth></size><segmented>0</segmented>
<object><name>cat</name><difficult>0</difficult><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>20</xmax><ymax>20.5</ymax></bndbox></object>
<object><name><![CDATA[dog]]></name><pose>&lt;left&gt;</pose><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>30</xmax><ymax>33</ymax></bndbox>
<part><name>head</name></part></object></annotation>)";

void read(const std::string& input, const std::string& folder) {
  writePictures(folder);
  fixture::writeText(folder + "/xml/a.xml", input);
  openDataset(
      fixture::object({{"format", "voc"}, {"images", folder + "/images"}, {"annotations", folder + "/xml"}}));
}

Target target() {
  return {[] { return std::vector<Sample>{{kWhole}}; },
          {"<",
           ">",
           "</",
           "/>",
           "<a>",
           "</a>",
           "<object>",
           "</object>",
           "<bndbox>",
           "<name>",
           "<size>",
           "<annotation>",
           "&",
           "&x;",
           "&lt;",
           "&#0;",
           "&#xFFFFFFFF;",
           "<!DOCTYPE a [",
           "<!ENTITY x \"y\">",
           "]>",
           "<![CDATA[",
           "]]>",
           "<!--",
           "-->",
           "<?",
           "?>",
           "\"",
           "=",
           "nan",
           "1e999",
           "-",
           "\xFF\xFE",
           "\xFE\xFF",
           "\xEF\xBB\xBF"},
          {"HD_DATA_"},
          read};
}

HD_FUZZ_TARGET(voc, target);

}  // namespace
}  // namespace fuzz
