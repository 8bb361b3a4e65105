//! Text of a page. What stands in the source goes in as it is, everything else escaped: there is no third way.

/// A page under way.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// Markup. Only what stands in the source of this program can be.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, safe between tags and within quoted values.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// A number, with a digit after the point.
    pub fn number(&mut self, number: f64) -> &mut Self {
        self.text(&format!("{number:.1}"))
    }

    /// A cell of a table.
    pub fn cell(&mut self, open: &'static str, text: &str) -> &mut Self {
        self.raw(open).text(text).raw("</td>")
    }

    pub fn end(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_is_markup(text in any::<String>()) {
            let mut page = Page::default();
            page.text(&text);
            let page = page.end();
            prop_assert!(!page.contains(['<', '>', '"', '\'']));
            let back = page.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            prop_assert_eq!(back.replace("&amp;", "&"), text);
        }
    }
}
