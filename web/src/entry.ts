// Only for the build: so that the page is a file that its rooms can share.
import "./main";
